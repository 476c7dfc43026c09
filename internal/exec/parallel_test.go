package exec

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

func TestParallelismIsBoundedByRunAndRollout(t *testing.T) {
	for name, test := range map[string]struct{ run, rollout, want int }{
		"run":     {3, 0, 3},
		"rollout": {0, 2, 2},
		"both":    {4, 3, 3},
		"neither": {0, 0, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runner := &scripted{job: lasting(time.Second, outcome.Passed)}
				w := newWorld(newSession("web", 12, maxParallel(test.rollout)))
				w.opts.Runner, w.opts.Parallelism = runner, test.run
				w.run(t.Context())
				if runner.most != test.want {
					t.Errorf("%d jobs ran at a time, want %d", runner.most, test.want)
				}
			})
		})
	}
}

func TestSessionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &scripted{job: lasting(time.Second, outcome.Passed)}
		w := newWorld(newSession("big", 50), newSession("small", 3))
		w.opts.Runner, w.opts.Parallelism = runner, 1
		w.run(t.Context())
		want := []string{
			`session.big["i-01"]`, `session.small["i-01"]`,
			`session.big["i-02"]`, `session.small["i-02"]`,
			`session.big["i-03"]`, `session.small["i-03"]`,
			`session.big["i-04"]`,
		}
		if diff := cmp.Diff(want, runner.started[:7]); diff != "" {
			t.Errorf("order of starts (-want +got):\n%s", diff)
		}
	})
}

// A throttled account may take its share of the places where jobs wait for
// their session, no more.
func TestAThrottledProviderDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mixed := newSession("mixed", 100, maxParallel(10))
		for i, j := range mixed.Jobs {
			if i < 80 {
				j.Target.Provider = "aws.throttled"
			}
		}
		fast := map[string]time.Duration{}
		began := time.Now()
		runner := &scripted{}
		runner.job = func(ctx context.Context, task Task) JobResult {
			if task.Job.Target.Provider == "aws.throttled" {
				time.Sleep(time.Hour) // StartSession's quota
				task.Started()
				return JobResult{Outcome: outcome.Passed}
			}
			task.Started()
			time.Sleep(time.Second)
			runner.mu.Lock()
			defer runner.mu.Unlock()
			fast[task.Job.Target.ID] = time.Since(began)
			return JobResult{Outcome: outcome.Passed}
		}
		w := newWorld(mixed)
		w.opts.Runner = runner
		w.run(t.Context())
		for id, took := range fast {
			if took > 5*time.Second {
				t.Errorf("%s ended after %s behind a throttled account", id, took)
			}
		}
		if len(fast) != 20 {
			t.Errorf("%d fast jobs, want 20", len(fast))
		}
	})
}

// Slow targets cost those behind them no more than the places they take.
func TestSlowTargetsDoNotDelayFastOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets, limit = 1000, 50
		var waits []time.Duration
		began := time.Now()
		runner := &scripted{}
		runner.job = func(ctx context.Context, task Task) JobResult {
			wait, n := time.Since(began), 0
			fmt.Sscanf(task.Job.Target.ID, "i-%d", &n)
			if n%100 == 50 {
				time.Sleep(time.Minute)
				return JobResult{Outcome: outcome.Passed}
			}
			runner.mu.Lock()
			waits = append(waits, wait)
			runner.mu.Unlock()
			time.Sleep(time.Second)
			return JobResult{Outcome: outcome.Passed}
		}
		w := newWorld(newSession("fleet", targets, maxParallel(limit)))
		w.opts.Runner = runner
		w.run(t.Context())
		slices.Sort(waits)
		p99 := waits[int(math.Ceil(0.99*float64(len(waits))))-1]
		ideal := time.Duration(targets/limit) * time.Second
		if p99 > ideal*12/10 {
			t.Errorf("p99 of the wait is %s, ideal is %s", p99, ideal)
		}
	})
}

// Counted while every place is taken and nothing moves: a goroutine that has
// said its last word counts until the scheduler ends it.
func TestWaitingJobsHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets, limit = 10000, 20
		release := make(chan struct{})
		w := newWorld(newSession("fleet", targets))
		w.opts.Parallelism = limit
		w.opts.Runner = &scripted{job: func(context.Context, Task) JobResult {
			<-release
			return JobResult{Outcome: outcome.Passed}
		}}
		before := runtime.NumGoroutine()
		ended := make(chan struct{})
		go func() { w.run(t.Context()); close(ended) }()
		synctest.Wait()
		if most := runtime.NumGoroutine() - before; most < limit || most > limit+10 {
			t.Errorf("%d goroutines for %d places", most, limit)
		}
		close(release)
		<-ended
		if got := w.summary.Tally.Jobs[outcome.Passed]; got != targets {
			t.Errorf("%d jobs passed, want %d", got, targets)
		}
	})
}
