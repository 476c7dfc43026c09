package exec

import (
	"context"
	"encoding/json"
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

func (s offline) Start(ctx context.Context, _ plan.Call, _ Streams, progress func(plan.Progress)) (*channel.Session, error) {
	if s.err != nil {
		return nil, s.err
	}
	for {
		progress(plan.Progress{Why: "StartSession quota", Wait: time.Minute})
		if !sleep(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}

// localWorld runs one job of steps that wait a second each.
func localWorld(labels ...string) *world {
	w := newWorld(newSession("web", 1, withSteps(labels...)))
	w.opts.Starter = offline{errors.New("TargetNotConnected: i-01 is not connected")}
	return w
}

func (w *world) change(label string, change func(*plan.Step)) {
	changeStep(label, change)(w.sessions[0])
}

// verdicts are given to the attempts of steps in turn; the last one stays.
func (w *world) verdicts(by map[string][]plan.Verdict) {
	w.answers.judge = func(_ *plan.Job, s *plan.Step, r plan.Result) plan.Verdict {
		if r.TimedOut {
			return plan.Verdict{Outcome: outcome.TimedOut, Retry: true}
		}
		v := by[s.Label]
		if v == nil {
			return plan.Verdict{Outcome: outcome.Passed}
		}
		return v[min(r.Attempt, len(v))-1]
	}
}

var (
	pass = plan.Verdict{Outcome: outcome.Passed}
	fail = plan.Verdict{Outcome: outcome.Failed, Retry: true, Expectations: []plan.Expectation{
		{Name: "stdout contains", Expected: "ok", Got: "no"},
	}}
)

func TestStepsRunInOrderAndFinallyAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two", "finally_log")
		w.answers.judge = func(_ *plan.Job, s *plan.Step, _ plan.Result) plan.Verdict {
			v := pass
			if s.Label == "one" {
				v.Captures = map[string]plan.Value{
					"b": {Type: json.RawMessage(`"string"`), Value: json.RawMessage(`"x"`)},
					"a": {Type: json.RawMessage(`"string"`), Value: json.RawMessage(`"secret"`), Sensitive: true},
				}
			}
			return v
		}
		w.run(t.Context())
		wantLines(t, w.lines(), `
0s run_start 1 jobs
0s wave_start web 1/1 [i-01]
0s step_start session.web["i-01"].step.one #1
1s step_capture session.web["i-01"].step.one #1 a=
1s step_capture session.web["i-01"].step.one #1 b="x"
1s step_complete session.web["i-01"].step.one #1 passed
1s step_start session.web["i-01"].step.two #1
2s step_complete session.web["i-01"].step.two #1 passed
2s step_start session.web["i-01"].finally.finally_log #1
3s step_complete session.web["i-01"].finally.finally_log #1 passed
3s job_complete session.web["i-01"] passed
3s wave_complete web 1/1 map[passed:1]
3s run_summary map[passed:1] exit=0
`)
		captures := w.summary.Facts.Jobs[`session.web["i-01"]`].Steps["one"].Captures
		if got := string(captures["a"].Value); got != `"secret"` {
			t.Errorf("capture a is %s in the facts", got)
		}
	})
}

func TestAFailedStepEndsItsJobAfterFinally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two", "finally_a", "finally_b")
		w.verdicts(map[string][]plan.Verdict{"one": {fail}, "finally_a": {fail}})
		w.run(t.Context())
		wantLines(t, w.lines("step_expect", "step_complete", "job_complete"), `
1s step_expect session.web["i-01"].step.one #1 stdout contains false
1s step_complete session.web["i-01"].step.one #1 failed (stdout contains: expected ok, got no)
2s step_expect session.web["i-01"].finally.finally_a #1 stdout contains false
2s step_complete session.web["i-01"].finally.finally_a #1 failed (stdout contains: expected ok, got no)
3s step_complete session.web["i-01"].finally.finally_b #1 passed
3s job_complete session.web["i-01"] failed at one (step one: stdout contains: expected ok, got no)
`)
		if got := w.summary.Facts.Jobs[`session.web["i-01"]`].Steps["two"].Outcome; got != outcome.NotStarted {
			t.Errorf("step two is %q, want not_started", got)
		}
	})
}

func TestAFailedFinallyFailsAPassedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "finally_a")
		w.verdicts(map[string][]plan.Verdict{"finally_a": {fail}})
		w.run(t.Context())
		wantLines(t, w.lines("job_complete"), `
2s job_complete session.web["i-01"] failed at finally_a (step finally_a: stdout contains: expected ok, got no)
`)
	})
}

func TestFinallySeesTheJobsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "finally_a")
		w.verdicts(map[string][]plan.Verdict{"one": {fail}})
		saw := ""
		w.answers.prepare = func(j *plan.Job, s *plan.Step, _ int) plan.Work {
			if s.Finally {
				f := w.live.facts.Jobs[j.Address]
				saw = fmt.Sprint(f.Outcome, " ", f.FailedStep)
			}
			return plan.Work{Action: s.Action}
		}
		w.run(t.Context())
		if saw != "failed one" {
			t.Errorf("finally saw %q", saw)
		}
	})
}

func TestOnFailureContinueGoesOnAndTheJobStillFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two")
		w.change("one", func(s *plan.Step) { s.OnFailureContinue = true })
		w.verdicts(map[string][]plan.Verdict{"one": {fail}})
		w.run(t.Context())
		wantLines(t, w.lines("step_complete", "job_complete"), `
1s step_complete session.web["i-01"].step.one #1 failed (stdout contains: expected ok, got no)
2s step_complete session.web["i-01"].step.two #1 passed
2s job_complete session.web["i-01"] failed at one (step one: stdout contains: expected ok, got no)
`)
	})
}

func TestASkippedStepDoesNotFailItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two")
		w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
			return plan.Work{Action: s.Action, Skip: s.Label == "one", Why: "when = false"}
		}
		w.run(t.Context())
		wantLines(t, w.lines("step_start", "step_complete", "job_complete"), `
0s step_complete session.web["i-01"].step.one #1 skipped (when = false)
0s step_start session.web["i-01"].step.two #1
0s step_complete session.web["i-01"].step.two #1 passed
0s job_complete session.web["i-01"] passed
`)
	})
}

func TestAJobThatSkipsItselfRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "finally_a")
		w.answers.prepareJob = func(*plan.Job) (plan.Start, plan.Diagnostics) {
			return plan.Start{Skip: true, Why: "when = false"}, nil
		}
		w.run(t.Context())
		wantLines(t, w.lines("step_start", "step_complete", "job_complete"), `
0s job_complete session.web["i-01"] skipped (when = false)
`)
	})
}

func TestRetriesWaitAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one")
		w.change("one", func(s *plan.Step) {
			s.Retry = plan.Retry{Attempts: 4, Delay: 2 * time.Second, Backoff: 2, MaxDelay: 3 * time.Second}
		})
		w.verdicts(map[string][]plan.Verdict{"one": {fail, fail, pass}})
		w.run(t.Context())
		wantLines(t, w.lines("step_start", "step_complete", "job_complete"), `
0s step_start session.web["i-01"].step.one #1
1s step_complete session.web["i-01"].step.one #1 failed again (stdout contains: expected ok, got no)
3s step_start session.web["i-01"].step.one #2
4s step_complete session.web["i-01"].step.one #2 failed again (stdout contains: expected ok, got no)
7s step_start session.web["i-01"].step.one #3
8s step_complete session.web["i-01"].step.one #3 passed
8s job_complete session.web["i-01"] passed
`)
		if got := w.summary.Facts.Jobs[`session.web["i-01"]`].Steps["one"].Attempt; got != 3 {
			t.Errorf("the facts say attempt %d, want 3", got)
		}
	})
}

func TestWithinBoundsAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one")
		w.change("one", func(s *plan.Step) {
			s.Retry = plan.Retry{Attempts: 100, Delay: time.Second, Within: 4500 * time.Millisecond}
		})
		w.verdicts(map[string][]plan.Verdict{"one": {fail}})
		w.run(t.Context())
		wantLines(t, w.lines("step_complete"), `
1s step_complete session.web["i-01"].step.one #1 failed again (stdout contains: expected ok, got no)
3s step_complete session.web["i-01"].step.one #2 failed again (stdout contains: expected ok, got no)
4.5s step_complete session.web["i-01"].step.one #3 timed_out (the time for all attempts passed (4.5s))
`)
	})
}

func TestTimeouts(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*plan.Session)
		want   string
	}{
		"of a step, an attempt each": {changeStep("one", func(s *plan.Step) {
			s.Timeout, s.Retry.Attempts = 400*time.Millisecond, 2
		}), `
400ms step_complete session.web["i-01"].step.one #1 timed_out again (the step's timeout passed (400ms))
800ms step_complete session.web["i-01"].step.one #2 timed_out (the step's timeout passed (400ms))
1.8s step_complete session.web["i-01"].finally.finally_a #1 passed
1.8s job_complete session.web["i-01"] timed_out at one (step one: the step's timeout passed (400ms))
`},
		"of a job, in a step": {func(s *plan.Session) { s.Timeout = 1500 * time.Millisecond }, `
1s step_complete session.web["i-01"].step.one #1 passed
1.5s step_complete session.web["i-01"].step.two #1 timed_out (the session's timeout passed (1.5s))
2.5s step_complete session.web["i-01"].finally.finally_a #1 passed
2.5s job_complete session.web["i-01"] timed_out at two (step two: the session's timeout passed (1.5s))
`},
		"of a finally step": {changeStep("finally_a", func(s *plan.Step) { s.Timeout = 500 * time.Millisecond }), `
1s step_complete session.web["i-01"].step.one #1 passed
2s step_complete session.web["i-01"].step.two #1 passed
2.5s step_complete session.web["i-01"].finally.finally_a #1 timed_out (the step's timeout passed (500ms))
2.5s job_complete session.web["i-01"] timed_out at finally_a (step finally_a: the step's timeout passed (500ms))
`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "two", "finally_a")
				test.change(w.sessions[0])
				w.run(t.Context())
				wantLines(t, w.lines("step_complete", "job_complete"), test.want)
			})
		})
	}
}

func TestInterruptsStopBetweenStepsAndAttempts(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		want  string
	}{
		"in a wait": {500 * time.Millisecond, `
500ms step_complete session.web["i-01"].step.one #1 cancelled (interrupted)
1.5s step_complete session.web["i-01"].finally.finally_a #1 passed
1.5s job_complete session.web["i-01"] cancelled at one (step one: interrupted)
`},
		"between attempts": {1500 * time.Millisecond, `
1s step_complete session.web["i-01"].step.one #1 failed again (stdout contains: expected ok, got no)
2.5s step_complete session.web["i-01"].finally.finally_a #1 passed
2.5s job_complete session.web["i-01"] failed at one (step one: stdout contains: expected ok, got no)
`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "finally_a")
				w.change("one", func(s *plan.Step) { s.Retry = plan.Retry{Attempts: 3, Delay: time.Minute} })
				w.verdicts(map[string][]plan.Verdict{"one": {fail}})
				stopping := make(chan struct{})
				time.AfterFunc(test.after, func() { close(stopping) })
				w.opts.Stopping = stopping
				w.run(t.Context())
				wantLines(t, w.lines("step_complete", "job_complete"), test.want)
			})
		})
	}
}

func TestTheSecondInterruptSkipsFinally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		w := localWorld("one", "finally_a")
		w.run(ctx)
		wantLines(t, w.lines("step_complete", "job_complete", "run_summary"), `
500ms step_complete session.web["i-01"].step.one #1 cancelled (interrupted)
500ms job_complete session.web["i-01"] cancelled at one (step one: interrupted)
500ms run_summary map[cancelled:1] exit=130 interrupted
`)
	})
}

func TestAnApprovalIsAsked(t *testing.T) {
	for name, test := range map[string]struct {
		yes  bool
		exit int
		want string
	}{
		"yes": {true, outcome.ExitPassed, `
0s approval session.web["i-01"].step.one true
0s step_complete session.web["i-01"].step.one #1 passed
1s step_complete session.web["i-01"].finally.finally_a #1 passed
1s job_complete session.web["i-01"] passed
`},
		"no": {false, outcome.ExitRefused, `
0s approval session.web["i-01"].step.one false
0s step_complete session.web["i-01"].step.one #1 cancelled (approval: refused)
1s step_complete session.web["i-01"].finally.finally_a #1 passed
1s job_complete session.web["i-01"] cancelled at one (step one: approval: refused)
`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "finally_a")
				w.change("one", func(s *plan.Step) { s.Action = plan.ActionApprove })
				w.opts.Approve = func(context.Context, string) (bool, error) { return test.yes, nil }
				w.run(t.Context())
				wantLines(t, w.lines("approval", "step_complete", "job_complete"), test.want)
				if got := w.summary.ExitCode(); got != test.exit {
					t.Errorf("exit code %d, want %d", got, test.exit)
				}
			})
		})
	}
}

func TestChecksAndOutputsCloseTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one")
		w.answers.conclude = func(*plan.Facts) plan.Conclusion {
			return plan.Conclusion{
				Checks: []plan.CheckResult{{Address: "check.a", Outcome: outcome.Passed}, {Address: "check.b", Outcome: outcome.Failed, Message: "no"}},
				Outputs: map[string]plan.OutputValue{
					"v": {Value: plan.Value{Type: json.RawMessage(`"number"`), Value: json.RawMessage(`1`)}, Known: true},
					"s": {Value: plan.Value{Type: json.RawMessage(`"number"`), Value: json.RawMessage(`2`), Sensitive: true}, Known: true},
				},
			}
		}
		w.run(t.Context())
		wantLines(t, w.lines("check_complete", "run_summary"), `
1s check_complete check.a passed
1s check_complete check.b failed
1s run_summary map[passed:1] exit=3
`)
		for _, f := range w.facts() {
			if o, ok := f.(event.Outputs); ok {
				if string(o.Values["v"].Value) != "1" || o.Values["s"].Value != nil || !o.Values["s"].Sensitive {
					t.Errorf("outputs are %+v", o.Values)
				}
				return
			}
		}
		t.Error("no outputs event")
	})
}

// on_halt = "cancel" stops what runs; finally steps clean up after it.
func TestAHaltThatCancelsStopsRunningSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two", "finally_a")
		w.sessions[0].Rollout.OnHalt = "cancel"
		bad := newSession("bad", 1, withSteps("one"), budget(0))
		w.sessions = append(w.sessions, bad)
		w.answers.prepare = func(j *plan.Job, s *plan.Step, _ int) plan.Work {
			wait := time.Second
			if s.Label == "two" {
				wait = time.Hour
			}
			if j.Session == bad {
				wait = 5 * time.Second
			}
			return plan.Work{Action: s.Action, Wait: wait}
		}
		w.answers.judge = func(j *plan.Job, _ *plan.Step, _ plan.Result) plan.Verdict {
			if j.Session == bad {
				return fail
			}
			return pass
		}
		w.run(t.Context())
		why := "session.bad halted: 1 job did not pass, 0 allowed"
		wantLines(t, w.lines("wave_halted", "step_complete", "job_complete"), strings.ReplaceAll(`
1s step_complete session.web["i-01"].step.one #1 passed
5s step_complete session.bad["i-01"].step.one #1 failed (stdout contains: expected ok, got no)
5s job_complete session.bad["i-01"] failed at one (step one: stdout contains: expected ok, got no)
5s wave_halted bad wave 1 (1 job did not pass, 0 allowed)
5s step_complete session.web["i-01"].step.two #1 cancelled (WHY)
6s step_complete session.web["i-01"].finally.finally_a #1 passed
6s job_complete session.web["i-01"] cancelled at two (step two: WHY)
`, "WHY", why))
	})
}

// A job that is to finish goes on with its steps after a halt, and stops
// between them when the operator interrupts.
func TestAJobThatFinishesAfterAHalt(t *testing.T) {
	for name, interrupt := range map[string]bool{"halt": false, "halt and interrupt": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := localWorld("one", "two", "three")
				w.sessions[0].Rollout.OnHalt = "finish_job"
				bad := newSession("bad", 1, withSteps("one"), budget(0))
				w.sessions = append(w.sessions, bad)
				w.answers.judge = func(j *plan.Job, _ *plan.Step, _ plan.Result) plan.Verdict {
					if j.Session == bad {
						return fail
					}
					return pass
				}
				want := outcome.Passed
				if interrupt {
					stopping := make(chan struct{})
					time.AfterFunc(1500*time.Millisecond, func() { close(stopping) })
					w.opts.Stopping, want = stopping, outcome.Cancelled
				}
				w.run(t.Context())
				wantOutcomes(t, w, merged(jobsOf(w.sessions[0], want), jobsOf(bad, outcome.Failed)))
				if !w.summary.Tally.Halted || w.summary.Tally.Interrupted != interrupt {
					t.Errorf("tally %+v", w.summary.Tally)
				}
			})
		})
	}
}

func TestQuestionsComeOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(newSession("web", 5, withSteps("one"), changeStep("one", func(s *plan.Step) { s.Action = plan.ActionApprove })))
		w.opts.Starter = offline{}
		asking, most := 0, 0
		w.opts.Approve = func(context.Context, string) (bool, error) {
			asking++
			most = max(most, asking)
			time.Sleep(time.Second)
			asking--
			return true, nil
		}
		w.run(t.Context())
		if most != 1 || w.summary.Duration != 5*time.Second {
			t.Errorf("%d questions at a time, in %s", most, w.summary.Duration)
		}
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
	})
}
