package exec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// errUnanswered stops a step whose prompt did not come in time, or could not be
// answered.
var errUnanswered = errors.New("a prompt was not answered")

// interact runs a step and answers what it asks, on its terminal or in its pipe.
func (a *attempt) interact(ctx context.Context, client *shellClient) ending {
	t, err := newTalk(a)
	if err != nil {
		return ending{outcome: outcome.Failed, why: err.Error()}
	}
	t.stdout = a.out.stdout
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	input, over, served := make(chan []byte), make(chan struct{}), make(chan struct{})
	step := a.shellStep()
	step.Input = input
	var trouble error
	t.begin(time.Now())
	go func() { // until the step is over
		defer close(served)
		given := 0
		trouble = t.serve(ctx, over, func(answer []byte) error {
			select {
			case input <- answer:
			case <-over:
				return io.ErrClosedPipe
			}
			if given++; !step.Terminal && t.satisfied(given) {
				close(input) // there is nothing more to come
			}
			return nil
		})
		if trouble != nil || t.late() != nil {
			stop(errUnanswered)
		}
	}()
	stderr := &tail{Writer: streamOf{t, a.out.stderr}}
	result, err := client.Run(running, step, t, stderr)
	close(over)
	<-served
	e := a.overShellEnd(ctx, client, result, stderr, err)
	if err != nil {
		if trouble == nil {
			trouble = t.late()
		}
		if trouble != nil {
			e.why = trouble.Error() + "; then: " + e.why
		}
		return e
	}
	seen := t.result(nil)
	e.result.Prompts, e.result.Screen = seen.Prompts, seen.Screen
	if ctx.Err() == nil && context.Cause(running) == errUnanswered {
		e.outcome, e.why = "", ""
		if trouble != nil {
			e.outcome, e.why = outcome.Failed, trouble.Error()
		}
	}
	return e
}

// streamOf is one of a program's streams that its prompts are looked for in.
type streamOf struct {
	talk   *talk
	stream *outputStream
}

func (s streamOf) Write(p []byte) (int, error) { return s.talk.hear(s.stream, p) }

// tail passes a stream on and keeps its end.
type tail struct {
	io.Writer
	end []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-tailBytes):]...)
	t.end = append(t.end[:0], t.end[max(0, len(t.end)-tailBytes):]...)
	return t.Writer.Write(p)
}

const tailBytes = 512

// passwordNote says what to do when sudo was not allowed to ask for a password.
// These are sudo's and sudo-rs's words for it (sudo: plugins/sudoers/auth/sudo_auth.c).
func (a *attempt) passwordNote(result shell.Result, last *tail) string {
	if a.work.User == "" || result.ExitCode != 1 || a.step.Terminal && len(a.work.Prompts) > 0 {
		return ""
	}
	for _, words := range []string{"sudo: a password is required", "sudo: interactive authentication is required"} {
		if bytes.Contains(last.end, []byte(words)) {
			return "sudo wants a password to run as " + a.work.User + ": allow it without one (NOPASSWD in sudoers), or answer it with a prompt block"
		}
	}
	return ""
}
