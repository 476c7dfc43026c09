package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// offline is a Starter that starts nothing.
type offline struct{ err error }

func (offline) Terminate(context.Context, string, string) error { return nil }

type ambiguousError struct{ error }

func (ambiguousError) Ambiguous() bool { return true }
func (e ambiguousError) Unwrap() error { return e.error }

func TestATargetThatCannotBeReachedIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "finally_a")
		w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
		w.run(t.Context())
		wantLines(t, w.lines(), `
0s run_start 1 jobs
0s wave_start web 1/1 [i-01]
0s session_start session.web["i-01"] #1 shell
0s session_complete session.web["i-01"]  terminated=false (TargetNotConnected: i-01 is not connected)
0s job_complete session.web["i-01"] unreachable (TargetNotConnected: i-01 is not connected)
0s wave_complete web 1/1 map[unreachable:1]
0s run_summary map[unreachable:1] exit=4
`)
	})
}

// That StartSession may have started a session means more where the session is
// the command.
func TestAnAmbiguousStart(t *testing.T) {
	for kind, want := range map[plan.Kind]string{
		plan.KindShell: `
0s job_complete session.web["i-01"] unreachable (connection reset)
`,
		plan.KindCommand: `
0s step_start session.web["i-01"].step.one #1
0s step_complete session.web["i-01"].step.one #1 unknown (connection reset)
0s job_complete session.web["i-01"] unknown at one (step one: connection reset)
`,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "two", "finally_a")
				w.sessions[0].Kind = kind
				w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Script: []byte("true")}
				}
				w.opts.Starter = offline{ambiguousError{errors.New("connection reset")}}
				w.run(t.Context())
				wantLines(t, w.lines("step_start", "step_complete", "job_complete"), want)
				if !w.summary.Orphans {
					t.Error("a session may be open, and the summary does not say so")
				}
			})
		})
	}
}

// A start that a halt ends says so, also where the command may have run.
func TestAHaltEndsAPendingStart(t *testing.T) {
	for kind, want := range map[plan.Kind]outcome.Outcome{plan.KindShell: outcome.NotStarted, plan.KindCommand: outcome.Unknown} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one")
				w.sessions[0].Kind, w.sessions[0].Rollout.OnHalt = kind, "cancel"
				w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
				db := newSession("db", 1, withSteps("one"), budget(0))
				w.sessions = append(w.sessions, db)
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Script: []byte("true"), Wait: time.Second}
				}
				w.answers.judge = func(*plan.Job, *plan.Step, plan.Result) plan.Verdict { return fail }
				w.opts.Starter = pending{}
				w.run(t.Context())
				wantOutcomes(t, w, merged(jobsOf(w.sessions[0], want), jobsOf(db, outcome.Failed)))
				got := w.lines("session_complete", "job_complete")
				if strings.Count(got, "session.db halted: 1 job did not pass") != 2 || strings.Contains(got, "context canceled") {
					t.Errorf("events %s", got)
				}
			})
		})
	}
}

// pending is a Starter whose StartSession has no answer until it is cancelled.
type pending struct{ offline }

func (pending) Start(ctx context.Context, _ plan.Call, _ Streams, _ func(plan.Progress)) (*channel.Session, error) {
	<-ctx.Done()
	return nil, ambiguousError{fmt.Errorf("start session on i-01: %w", ctx.Err())}
}

func TestAnInterruptEndsTheWaitForTheQuota(t *testing.T) {
	for _, kind := range []plan.Kind{plan.KindShell, plan.KindCommand} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "finally_a")
				w.sessions[0].Kind = kind
				w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Script: []byte("true")}
				}
				w.opts.Starter = offline{}
				stopping := make(chan struct{})
				time.AfterFunc(25*time.Second, func() { close(stopping) })
				w.opts.Stopping = stopping
				w.run(t.Context())
				wantLines(t, w.lines("session_queued", "job_complete"), `
0s session_queued session.web["i-01"] (StartSession quota)
10s session_queued session.web["i-01"] (StartSession quota)
20s session_queued session.web["i-01"] (StartSession quota)
25s job_complete session.web["i-01"] not_started (interrupted)
`)
			})
		})
	}
}

func TestSecretsAreKnownBeforeTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one")
		w.answers.prepareJob = func(*plan.Job) (plan.Start, plan.Diagnostics) {
			return plan.Start{Conceal: []string{"first-secret"}}, nil
		}
		w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
			return plan.Work{Action: s.Action, Conceal: []string{"second-secret"}, Display: "echo first-secret second-secret third-secret"}
		}
		w.answers.judge = func(*plan.Job, *plan.Step, plan.Result) plan.Verdict {
			return plan.Verdict{Outcome: outcome.Failed, Conceal: []string{"third-secret"},
				Expectations: []plan.Expectation{{Name: "assert", Message: "third-secret is bad"}}}
		}
		w.run(t.Context())
		for _, r := range w.records {
			text, err := r.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"first-secret", "second-secret"} {
				if strings.Contains(string(text), secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
			if _, isStart := r.Fact.(event.StepStart); !isStart && strings.Contains(string(text), "third-secret") {
				t.Errorf("third-secret is in %s", text)
			}
		}
	})
}

// startFunc is a Starter that is a function and starts nothing.
type startFunc func(plan.Call) error

func (f startFunc) Start(_ context.Context, call plan.Call, _ Streams, _ func(plan.Progress)) (*channel.Session, error) {
	return nil, f(call)
}

func (startFunc) Terminate(context.Context, string, string) error { return nil }

func TestIntentsAreDurableBeforeAnythingLeaves(t *testing.T) {
	for _, kind := range []plan.Kind{plan.KindShell, plan.KindCommand} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("ask", "send")
				w.sessions[0].Kind = kind
				w.change("ask", func(s *plan.Step) { s.Action = plan.ActionApprove })
				w.change("send", func(s *plan.Step) { s.Action = plan.ActionCommand })
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Script: []byte("true")}
				}
				asked, sent := "", ""
				w.opts.Approve = func(context.Context, string) (bool, error) {
					asked = withoutTimes(w.lines("step_start"))
					return true, nil
				}
				w.opts.Starter = startFunc(func(plan.Call) error {
					sent = withoutTimes(w.lines("step_start", "step_complete", "session_start"))
					return errors.New("no")
				})
				w.run(t.Context())
				wantLines(t, asked, `
step_start session.web["i-01"].step.ask #1
`)
				want := `
step_start session.web["i-01"].step.ask #1
step_complete session.web["i-01"].step.ask #1 passed
session_start session.web["i-01"] #1 ` + string(kind) + "\n"
				if kind == plan.KindCommand { // the session is the command
					want += `step_start session.web["i-01"].step.send #1` + "\n"
				}
				wantLines(t, sent, want)
			})
		})
	}
}

func TestWhatCannotBeRecordedIsNotSent(t *testing.T) {
	for _, fact := range []string{"session_start", "step_start", "step_complete"} {
		t.Run(fact, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("ask", "send")
				if fact == "session_start" {
					w = localWorld("send")
				} else {
					w.change("ask", func(s *plan.Step) { s.Action = plan.ActionApprove })
				}
				w.failAt = fact
				w.change("send", func(s *plan.Step) { s.Action = plan.ActionCommand })
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Script: []byte("true")}
				}
				w.opts.Approve = func(context.Context, string) (bool, error) {
					if fact == "step_start" {
						t.Error("the question was asked")
					}
					return true, nil
				}
				w.opts.Starter = startFunc(func(plan.Call) error {
					t.Error("a session was started")
					return errors.New("no")
				})
				w.run(t.Context())
				if w.err == nil || w.summary.Tally.Jobs[outcome.Passed] > 0 {
					t.Errorf("error %v, tally %v", w.err, w.summary.Tally)
				}
			})
		})
	}
}
