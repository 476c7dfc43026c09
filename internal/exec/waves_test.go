package exec

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

func TestWavesGoInTurnWithAPauseBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := newSession("web", 4, inWaves(1, 3, 4))
		web.Rollout.Pause = 30 * time.Second
		w := newWorld(web)
		w.opts.Runner = &scripted{job: byTarget(map[string]func(context.Context, Task) JobResult{
			"i-03": lasting(5*time.Second, outcome.Passed),
		})}
		w.run(t.Context())
		if w.err != nil {
			t.Fatal(w.err)
		}
		wantLines(t, w.lines(), `
0s run_start 4 jobs
0s wave_start web 1/3 [i-01]
1s job_complete session.web["i-01"] passed
1s wave_complete web 1/3 map[passed:1]
1s wave_pause (session.web: pausing 30s before wave 2 of 3)
31s wave_start web 2/3 [i-02 i-03]
32s job_complete session.web["i-02"] passed
36s job_complete session.web["i-03"] passed
36s wave_complete web 2/3 map[passed:2]
36s wave_pause (session.web: pausing 30s before wave 3 of 3)
1m6s wave_start web 3/3 [i-04]
1m7s job_complete session.web["i-04"] passed
1m7s wave_complete web 3/3 map[passed:1]
1m7s run_summary map[passed:4] exit=0
`)
	})
}

func TestABudgetHaltsTheWholeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := newSession("web", 5, inWaves(3, 5), budget(1))
		db := newSession("db", 2, maxParallel(1))
		w := newWorld(web, db)
		w.opts.Runner = &scripted{job: func(ctx context.Context, task Task) JobResult {
			switch task.Job.Address {
			case `session.web["i-01"]`:
				return lasting(1*time.Second, outcome.Unreachable)(ctx, task)
			case `session.web["i-02"]`:
				return lasting(2*time.Second, outcome.TimedOut)(ctx, task)
			case `session.web["i-03"]`:
				return lasting(3*time.Second, outcome.Passed)(ctx, task)
			}
			return lasting(4*time.Second, outcome.Passed)(ctx, task)
		}}
		w.run(t.Context())
		wantLines(t, w.lines(), `
0s run_start 7 jobs
0s wave_start web 1/2 [i-01 i-02 i-03]
0s wave_start db 1/1 [i-01 i-02]
1s job_complete session.web["i-01"] unreachable
2s job_complete session.web["i-02"] timed_out
2s wave_halted web wave 1 (2 jobs did not pass, 1 allowed)
2s job_complete session.db["i-02"] not_started (session.web halted: 2 jobs did not pass, 1 allowed)
3s job_complete session.web["i-03"] passed
3s wave_complete web 1/2 map[passed:1 timed_out:1 unreachable:1]
3s job_complete session.web["i-04"] not_started (session.web halted: 2 jobs did not pass, 1 allowed)
3s job_complete session.web["i-05"] not_started (session.web halted: 2 jobs did not pass, 1 allowed)
4s job_complete session.db["i-01"] passed
4s wave_complete db 1/1 map[not_started:1 passed:1]
4s run_summary map[not_started:3 passed:2 timed_out:1 unreachable:1] exit=5 halted
`)
	})
}

func TestOnHaltDecidesWhatRunningJobsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sessions []*plan.Session
		for _, onHalt := range []string{"", "finish_step", "finish_job", "cancel"} {
			s := newSession("on_"+onHalt, 1)
			s.Rollout.OnHalt = onHalt
			sessions = append(sessions, s)
		}
		bad := newSession("bad", 1, budget(0))
		w := newWorld(append(sessions, bad)...)
		saw := map[string]string{}
		runner := &scripted{}
		runner.job = func(ctx context.Context, task Task) JobResult {
			if task.Job.Session == bad {
				return lasting(time.Second, outcome.Failed)(ctx, task)
			}
			time.Sleep(2 * time.Second)
			state := "goes on"
			if isClosed(task.Brake.Stop()) {
				state = "stops"
			}
			if isClosed(task.Brake.Cancel()) {
				state = "cancels"
			}
			runner.mu.Lock()
			defer runner.mu.Unlock()
			saw[task.Job.Session.Name] = state
			return JobResult{Outcome: outcome.Passed}
		}
		w.opts.Runner = runner
		w.run(t.Context())
		for name, want := range map[string]string{"on_": "stops", "on_finish_step": "stops", "on_finish_job": "goes on", "on_cancel": "cancels"} {
			if saw[name] != want {
				t.Errorf("%s: the job %s, want %s", name, saw[name], want)
			}
		}
	})
}

func TestAWaveThatIsNotApprovedEndsItsRollout(t *testing.T) {
	for name, test := range map[string]struct {
		approve Approve
		exit    int
		last    outcome.Outcome
	}{
		"yes":     {func(context.Context, string) (bool, error) { return true, nil }, outcome.ExitPassed, outcome.Passed},
		"no":      {func(context.Context, string) (bool, error) { return false, nil }, outcome.ExitRefused, outcome.NotStarted},
		"error":   {func(context.Context, string) (bool, error) { return true, errors.New("no terminal") }, outcome.ExitRefused, outcome.NotStarted},
		"nobody ": {nil, outcome.ExitRefused, outcome.NotStarted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				web := newSession("web", 2, inWaves(1, 2))
				web.Rollout.ApproveWaves = true
				next := newSession("next", 1, dependsOn("web"))
				other := newSession("other", 1)
				w := newWorld(web, next, other)
				w.opts.Runner = &scripted{job: lasting(time.Second, outcome.Passed)}
				w.opts.Approve = test.approve
				w.run(t.Context())
				after := outcome.Passed
				if test.last != outcome.Passed {
					after = outcome.Skipped
				}
				wantOutcomes(t, w, merged(jobsOf(web, outcome.Passed, test.last), jobsOf(next, after), jobsOf(other, outcome.Passed)))
				if got := w.summary.ExitCode(); got != test.exit {
					t.Errorf("exit code %d, want %d", got, test.exit)
				}
			})
		})
	}
}

func TestSessionsWaitForWhatTheyDependOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newSession("a", 2)
		b := newSession("b", 1)
		c := newSession("c", 1, dependsOn("a", "b"))
		d := newSession("d", 1, dependsOn("c"))
		e := newSession("e", 1, dependsOn("a", "c"), afterEnded)
		f := newSession("f", 1, dependsOn("b"))
		w := newWorld(a, b, c, d, e, f)
		w.opts.Runner = &scripted{job: func(ctx context.Context, task Task) JobResult {
			switch {
			case task.Job.Address == `session.a["i-02"]`:
				return lasting(3*time.Second, outcome.Failed)(ctx, task)
			case task.Job.Session == b:
				return JobResult{Outcome: outcome.Skipped, Why: "when is false"}
			case task.Job.Session == f:
				return lasting(2*time.Second, outcome.Passed)(ctx, task)
			}
			return lasting(time.Second, outcome.Passed)(ctx, task)
		}}
		w.run(t.Context())
		wantLines(t, w.lines("job_complete", "run_summary"), `
0s job_complete session.b["i-01"] skipped (when is false)
1s job_complete session.a["i-01"] passed
2s job_complete session.f["i-01"] passed
3s job_complete session.a["i-02"] failed
3s job_complete session.c["i-01"] skipped (session.a["i-02"], which it depends on, ended failed)
3s job_complete session.d["i-01"] skipped (session.a["i-02"], which it depends on, ended failed)
4s job_complete session.e["i-01"] passed
4s run_summary map[failed:1 passed:3 skipped:3] exit=3
`)
	})
}

func TestDependenciesInACircleEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newSession("a", 1, dependsOn("b"))
		b := newSession("b", 1, dependsOn("a"))
		w := newWorld(a, b)
		w.opts.Runner = &scripted{job: lasting(0, outcome.Passed)}
		w.run(t.Context())
		if w.err == nil {
			t.Error("no error")
		}
		wantOutcomes(t, w, merged(jobsOf(a, outcome.NotStarted), jobsOf(b, outcome.NotStarted)))
	})
}

func TestASessionWithoutTargetsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newSession("a", 0)
		b := newSession("b", 1, dependsOn("a"))
		w := newWorld(a, b)
		w.opts.Runner = &scripted{job: lasting(0, outcome.Passed)}
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(b, outcome.Passed))
	})
}
