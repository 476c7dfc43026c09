package exec

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

func TestTheFirstInterruptStartsNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{})
		time.AfterFunc(1500*time.Millisecond, func() { close(stopping) })
		web := newSession("web", 4, maxParallel(1))
		next := newSession("next", 1, dependsOn("web"), afterEnded)
		w := newWorld(web, next)
		w.opts.Stopping = stopping
		w.opts.Runner = &scripted{job: lasting(time.Second, outcome.Passed)}
		w.run(t.Context())
		wantLines(t, w.lines("job_complete", "run_summary"), `
1s job_complete session.web["i-01"] passed
1.5s job_complete session.web["i-03"] not_started (interrupted)
1.5s job_complete session.web["i-04"] not_started (interrupted)
1.5s job_complete session.next["i-01"] not_started (interrupted)
2s job_complete session.web["i-02"] passed
2s run_summary map[not_started:3 passed:2] exit=130 interrupted
`)
	})
}

func TestAnInterruptEndsPausesAndQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { close(stopping) })
		paused := newSession("paused", 2, inWaves(1, 2))
		paused.Rollout.Pause = time.Hour
		asked := newSession("asked", 2, inWaves(1, 2))
		asked.Rollout.ApproveWaves = true
		w := newWorld(paused, asked)
		w.opts.Stopping = stopping
		w.opts.Runner = &scripted{job: lasting(time.Second, outcome.Passed)}
		w.opts.Approve = func(ctx context.Context, _ string) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		}
		w.run(t.Context())
		if w.summary.Duration != 10*time.Second {
			t.Errorf("the run took %s, want 10s", w.summary.Duration)
		}
		if got := w.summary.ExitCode(); got != outcome.ExitInterrupted {
			t.Errorf("exit code %d, want 130", got)
		}
	})
}

func TestTheSecondInterruptCutsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		w := newWorld(newSession("web", 3, maxParallel(2)))
		w.opts.Runner = &scripted{job: func(ctx context.Context, task Task) JobResult {
			<-ctx.Done()
			return JobResult{Outcome: outcome.Unknown, Why: "cut"}
		}}
		w.run(ctx)
		wantLines(t, w.lines("run_summary"), `
3s run_summary map[not_started:1 unknown:2] exit=6 interrupted
`)
	})
}

func TestAnInterruptAfterTheLastJobIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{})
		w := newWorld(newSession("web", 1))
		w.opts.Stopping = stopping
		w.opts.Runner = &scripted{job: lasting(time.Second, outcome.Passed)}
		w.answers.conclude = func(*plan.Facts) (c plan.Conclusion) { close(stopping); return c }
		w.run(t.Context())
		if got := w.summary.ExitCode(); got != outcome.ExitPassed {
			t.Errorf("exit code %d, want 0", got)
		}
	})
}

func TestAPanicIsThatJobsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := newSession("web", 2)
		w := newWorld(web)
		w.opts.Runner = &scripted{job: byTarget(map[string]func(context.Context, Task) JobResult{
			"i-01": func(context.Context, Task) JobResult { panic("boom") },
		})}
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(web, outcome.Unknown, outcome.Passed))
		if !w.summary.Orphans {
			t.Error("a session may be left, and nobody says so")
		}
	})
}

func TestNothingStartsThatCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := newSession("web", 3, maxParallel(1))
		runner := &scripted{job: lasting(time.Second, outcome.Passed)}
		w := newWorld(web)
		w.failAt = "job_complete"
		w.opts.Runner = runner
		w.run(t.Context())
		if w.err == nil || !strings.Contains(w.err.Error(), "no space left") {
			t.Errorf("error %v", w.err)
		}
		if len(runner.started) != 1 {
			t.Errorf("%d jobs started, want 1", len(runner.started))
		}
		wantOutcomes(t, w, jobsOf(web, outcome.Passed, outcome.NotStarted))
	})
}

// A run that could not be recorded has exit code 1, in its summary as for the
// process, although its jobs are cancelled; and they say what was in the way.
func TestARunThatBreaksHasOneExitCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(newSession("web", 1, withSteps("one", "two")))
		w.opts.Starter = &wire{}
		time.AfterFunc(500*time.Millisecond, func() { w.live.fail(errors.New("write output: no space left")) })
		w.run(t.Context())
		if w.err == nil || !w.summary.Broken || w.summary.ExitCode() != outcome.ExitError {
			t.Errorf("error %v, exit code %d", w.err, w.summary.ExitCode())
		}
		if got := w.lines("job_complete"); !strings.Contains(got, " cancelled ") || !strings.Contains(got, "the run could not be recorded: write output: no space left") {
			t.Errorf("the reason is %s", got)
		}
		if got := w.lines("run_summary"); !strings.Contains(got, "exit=1") {
			t.Errorf("summary %s", got)
		}
	})
	s := Summary{Broken: true, Tally: outcome.Tally{Jobs: map[outcome.Outcome]int{outcome.Unknown: 1}}}
	if got := s.ExitCode(); got != outcome.ExitUnknown {
		t.Errorf("exit code %d, want 6", got)
	}
}

func TestARunThatCannotBeRecordedDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &scripted{job: lasting(0, outcome.Passed)}
		w := newWorld(newSession("web", 1))
		w.failAt = "run_start"
		w.opts.Runner = runner
		w.run(t.Context())
		if w.err == nil || len(runner.started) > 0 {
			t.Errorf("error %v, %d jobs started", w.err, len(runner.started))
		}
	})
}
