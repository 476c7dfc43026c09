package exec

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// documentWorld is a run of one job whose document says something and is
// answered, and whose step passes when all prompts were asked.
func documentWorld(s *wire, questions []plan.Question, prompts ...plan.Prompt) *world {
	w := newWorld(newSession("web", 1, withSteps("one")))
	w.sessions[0].Kind = plan.KindDocument
	w.change("one", func(s *plan.Step) {
		s.Action = plan.ActionDocument
		s.Prompts = prompts
	})
	w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
		return plan.Work{Action: s.Action, Prompts: questions}
	}
	w.answers.judge = func(_ *plan.Job, _ *plan.Step, r plan.Result) plan.Verdict {
		if r.TimedOut {
			return plan.Verdict{Outcome: outcome.TimedOut}
		}
		for i, p := range r.Prompts {
			if p.Asked == 0 && !prompts[i].Optional {
				return plan.Verdict{Outcome: outcome.Failed, Expectations: []plan.Expectation{{Name: "prompt", Got: r.Screen}}}
			}
		}
		return plan.Verdict{Outcome: outcome.Passed}
	}
	w.opts.Starter = s
	return w
}

// typist is a wire that keeps what was typed, in its order, and reacts to it.
func typist(typed *strings.Builder, says func(*channel.Agent), hears func(a *channel.Agent, text string)) *wire {
	s := &wire{says: says}
	s.input = func(data []byte) {
		typed.Write(data)
		if hears != nil {
			hears(s.agents[0], string(data))
		}
	}
	return s
}

func say(a *channel.Agent, text string) { _ = a.Stdout([]byte(text)) }

var twoQuestions = []plan.Question{{Match: "Name:", Answer: []byte("me\r")}, {Match: "Age: $", Late: true}}

func TestADocumentIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var typed strings.Builder
		s := typist(&typed, func(a *channel.Agent) { say(a, "Na"); say(a, "me: ") }, func(a *channel.Agent, text string) {
			switch text {
			case "me\r":
				say(a, "me\r\nAge: ")
			case "late\r":
				go func() { _ = a.Close("") }() // it waits for what was said
			}
		})
		w := documentWorld(s, twoQuestions, plan.Prompt{}, plan.Prompt{})
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
		if typed.String() != "me\rlate\r" {
			t.Errorf("typed %q", typed.String())
		}
		wantOrder(t, w, "session_start", "step_start", "session_ready", "step_complete", "session_complete", "job_complete")
		if c := w.complete(t, "one"); c.ExitCode != nil || c.Verified {
			t.Errorf("step_complete %+v", c)
		}
	})
}

// A prompt that does not come in time stops the program. What is said of the step
// then depends on whether its end was seen.
func TestAPromptThatDoesNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		ends    bool // on Ctrl-C
		want    outcome.Outcome
		after   time.Duration
	}{
		"by its timeout": {5 * time.Second, true, outcome.Failed, 5 * time.Second},
		"by silence":     {0, true, outcome.Failed, promptSilence},
		"and no end":     {5 * time.Second, false, outcome.Unknown, 5*time.Second + 2*grace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var typed strings.Builder
				s := typist(&typed, func(a *channel.Agent) { say(a, "Who? ") }, func(a *channel.Agent, text string) {
					if text == "\x03" && c.ends {
						go func() { _ = a.Close("") }()
					}
				})
				w := documentWorld(s, twoQuestions[:1], plan.Prompt{Timeout: c.timeout})
				w.run(t.Context())
				wantOutcomes(t, w, jobsOf(w.sessions[0], c.want))
				if d := w.summary.Duration; d < c.after || d > c.after+2*time.Second {
					t.Errorf("it took %s, want %s", d, c.after)
				}
				if got := w.complete(t, "one").Why; !strings.Contains(got, "Who?") {
					t.Errorf("why %q does not show the screen", got)
				}
				if s.terminated != 1 {
					t.Errorf("%d sessions terminated", s.terminated)
				}
			})
		})
	}
}

// The step's timeout and a cut stop a program that asks nothing more.
func TestADocumentIsStopped(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		cut     time.Duration
		want    outcome.Outcome
	}{
		"timed out": {timeout: 5 * time.Second, want: outcome.TimedOut},
		"cut":       {cut: 5 * time.Second, want: outcome.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var typed strings.Builder
				s := typist(&typed, func(a *channel.Agent) { say(a, "Name:") }, func(a *channel.Agent, text string) {
					if text == "\x03" {
						go func() { _ = a.Close("") }()
					}
				})
				w := documentWorld(s, twoQuestions[:1], plan.Prompt{})
				w.change("one", func(s *plan.Step) { s.Timeout = c.timeout })
				ctx, cut := context.WithCancel(t.Context())
				defer cut()
				if c.cut > 0 {
					time.AfterFunc(c.cut, cut)
				}
				w.run(ctx)
				wantOutcomes(t, w, jobsOf(w.sessions[0], c.want))
				if typed.String() != "me\r\x03" {
					t.Errorf("typed %q", typed.String())
				}
			})
		})
	}
}

// What the service says with the end of the session stands beside a failure.
func TestADocumentThatTheServiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wire{says: func(a *channel.Agent) { say(a, "begun\r\n"); _ = a.Terminate("Plugin failed to start") }}
		w := documentWorld(s, twoQuestions[:1], plan.Prompt{})
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Failed))
		if got := w.complete(t, "one").Note; !strings.Contains(got, "Plugin failed to start") {
			t.Errorf("note %q", got)
		}
	})
}

// A secret in an answer that depends on the output is known before it is typed.
func TestALateAnswerIsConcealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var typed strings.Builder
		s := typist(&typed, func(a *channel.Agent) { say(a, "Age: ") }, func(a *channel.Agent, text string) {
			say(a, text+"\n")
			go func() { _ = a.Close("") }()
		})
		w := documentWorld(s, twoQuestions[1:], plan.Prompt{})
		w.answers.answer = func() ([]byte, []string) { return []byte("top-secret\r"), []string{"top-secret"} }
		w.answers.judge = func(_ *plan.Job, _ *plan.Step, r plan.Result) plan.Verdict {
			return plan.Verdict{Outcome: outcome.Failed, Expectations: []plan.Expectation{{Name: "prompt", Got: r.Screen}}}
		}
		w.run(t.Context())
		if typed.String() != "top-secret\r" {
			t.Errorf("typed %q", typed.String())
		}
		screen := ""
		for _, f := range w.facts() {
			if e, ok := f.(event.StepExpect); ok {
				screen = e.Got
			}
		}
		if !strings.Contains(screen, event.Mask) || strings.Contains(screen, "top-secret") {
			t.Errorf("the screen is recorded as %q", screen)
		}
	})
}
