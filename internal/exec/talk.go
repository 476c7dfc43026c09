package exec

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/dialogue"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// talk joins a session's output to a dialogue and the answers to its input. The
// session writes to it from its receiving goroutine, which must not wait for
// input to be taken; so the answers are sent by serve.
type talk struct {
	*attempt
	stdout *outputStream

	mu sync.Mutex // protects what follows
	// dialogue and its state
	dialogue *dialogue.Dialogue
	answers  [][]byte
	err      error     // an answer could not be given
	last     time.Time // of the beginning, or the last answer
	spoke    time.Time // when the program wrote last
	any      bool      // it wrote at all
	lateBy   int       // the prompt that did not come in time, -1 for none

	due chan struct{} // holds a token when there is something to do
}

func newTalk(a *attempt) (*talk, error) {
	prompts := make([]dialogue.Prompt, len(a.work.Prompts))
	for i, q := range a.work.Prompts {
		match, err := dialogue.Compile(q.Match)
		if err != nil {
			return nil, fmt.Errorf("the pattern of prompt %d: %w", i+1, err)
		}
		p := a.step.Prompts[i]
		prompts[i] = dialogue.Prompt{Match: match, Optional: p.Optional, Repeat: p.Repeat}
	}
	now := time.Now()
	return &talk{
		attempt: a, dialogue: dialogue.New(prompts, a.step.PromptsAnyOrder),
		last: now, spoke: now, lateBy: -1, due: make(chan struct{}, 1),
	}, nil
}

// Write takes the session's output, or a step's stdout.
func (t *talk) Write(p []byte) (int, error) { return t.hear(t.stdout, p) }

// hear takes what the program wrote to one of its streams.
func (t *talk) hear(stream *outputStream, p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := stream.Write(p)
	t.spoke, t.any = time.Now(), true
	for _, prompt := range t.dialogue.Feed(p) {
		answer := t.work.Prompts[prompt].Answer
		if t.work.Prompts[prompt].Late && t.err == nil {
			answer, t.err = t.answerDue(prompt, t.stdout.recording)
		}
		t.answers = append(t.answers, answer)
		t.last = t.spoke
	}
	if len(t.answers) > 0 || t.err != nil {
		select {
		case t.due <- struct{}{}:
		default:
		}
	}
	return n, err
}

// begin lets the time of the first prompts run from now, unless one was asked
// already.
func (t *talk) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.any {
		t.last, t.spoke = now, now
	}
}

// serve sends the answers until the session is over, ctx is done or a prompt did
// not come in time. The error is why an answer could not be given.
func (t *talk) serve(ctx context.Context, done <-chan struct{}, send func([]byte) error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		t.mu.Lock()
		answers, err := t.answers, t.err
		t.answers = nil
		wait, late := t.patience(time.Now())
		if late >= 0 && len(answers) == 0 {
			t.lateBy = late
		}
		stop := t.lateBy >= 0
		t.mu.Unlock()
		if err != nil || stop {
			return err
		}
		for _, answer := range answers {
			if err := send(answer); err != nil {
				break // it is over, and its end tells why
			}
		}
		timer.Reset(wait)
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-t.due:
		case <-timer.C:
		}
	}
}

// patience is how long the prompts that are awaited may still take, and the one
// whose time has passed, or -1. mu is held.
func (t *talk) patience(now time.Time) (wait time.Duration, late int) {
	wait, late = time.Hour, -1
	for _, i := range t.dialogue.Awaited() {
		deadline := t.spoke.Add(promptSilence)
		if timeout := t.step.Prompts[i].Timeout; timeout > 0 {
			deadline = t.last.Add(timeout)
		}
		left := deadline.Sub(now)
		if left <= 0 && late < 0 {
			late = i
		}
		wait = min(wait, max(left, 0))
	}
	return wait, late
}

// result is what is judged when the session has ended.
func (t *talk) result(end error) plan.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := plan.Result{Screen: t.dialogue.Screen()}
	for i := range t.step.Prompts {
		r.Prompts = append(r.Prompts, plan.PromptResult{Asked: t.dialogue.Asked(i), Late: i == t.lateBy})
	}
	if code, ok := exitCodeOf(end); ok {
		r.ExitCode = &code
	}
	return r
}

// late says which prompt did not come in time, with the screen unless the step
// is sensitive; nil for none.
func (t *talk) late() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lateBy < 0 {
		return nil
	}
	if t.step.Sensitive {
		return fmt.Errorf("prompt %d was not asked in time", t.lateBy+1)
	}
	return fmt.Errorf("prompt %d was not asked in time; the screen showed: %q", t.lateBy+1, t.dialogue.Screen())
}

// heard reports whether the program wrote anything.
func (t *talk) heard() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.any
}

// satisfied reports whether the given number of answers is all that will be.
func (t *talk) satisfied(given int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.step.Prompts {
		given -= t.dialogue.Asked(i)
	}
	return given == 0 && t.dialogue.Over()
}
