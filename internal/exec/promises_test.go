package exec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// randomWorld is a few sessions that depend on each other, with steps that last,
// fail, time out and are tried again, all from one seed.
func randomWorld(rng *rand.Rand) *world {
	w := newWorld()
	for i := range 1 + rng.IntN(4) {
		s := newSession(string(rune('a'+i)), rng.IntN(6), withSteps("one", "two", "finally_a"))
		if n := len(s.Jobs); n > 1 {
			s.Rollout.Waves = []int{1 + rng.IntN(n-1), n}
		}
		s.Rollout.MaxFailures = rng.IntN(4) - 1
		s.Rollout.MaxParallel = rng.IntN(4)
		s.Rollout.OnHalt = []string{"finish_step", "finish_job", "cancel"}[rng.IntN(3)]
		s.Rollout.Pause = time.Duration(rng.IntN(2)) * time.Second
		s.Rollout.ApproveWaves = rng.IntN(3) == 0
		s.AfterEnded = rng.IntN(2) == 0
		if i > 0 && rng.IntN(2) == 0 {
			dependsOn(string(rune('a' + rng.IntN(i))))(s)
		}
		if rng.IntN(3) == 0 {
			s.Timeout = 2 * time.Second
		}
		for _, step := range s.Steps {
			step.Retry = plan.Retry{Attempts: 1 + rng.IntN(3), Delay: 500 * time.Millisecond}
			step.OnFailureContinue = rng.IntN(3) == 0
			step.Timeout = time.Duration(rng.IntN(2)) * 1100 * time.Millisecond
			if rng.IntN(4) == 0 {
				step.Action = plan.ActionCommand // and the target is not there
			}
		}
		w.sessions = append(w.sessions, s)
	}
	seed := rng.Uint64()
	chance := func(of string, attempt int) *rand.Rand {
		h := seed
		for _, c := range fmt.Sprint(of, attempt) {
			h = h*1099511628211 + uint64(c)
		}
		return rand.New(rand.NewPCG(h, 1))
	}
	w.answers.prepare = func(j *plan.Job, s *plan.Step, attempt int) plan.Work {
		r := chance(stepAddress(j, s), attempt)
		return plan.Work{Action: s.Action, Skip: r.IntN(6) == 0, Wait: time.Duration(r.IntN(1500)) * time.Millisecond}
	}
	w.answers.judge = func(j *plan.Job, s *plan.Step, r plan.Result) plan.Verdict {
		switch {
		case r.TimedOut:
			return plan.Verdict{Outcome: outcome.TimedOut, Retry: true}
		case chance("judge"+stepAddress(j, s), r.Attempt).IntN(4) == 0:
			return fail
		}
		return pass
	}
	w.opts.Starter = offline{fmt.Errorf("TargetNotConnected")}
	w.opts.Parallelism = 1 + rng.IntN(6)
	w.opts.Approve = func(ctx context.Context, _ string) (bool, error) {
		sleep(ctx, time.Second)
		return ctx.Err() == nil && rng.IntN(3) > 0, nil
	}
	return w
}

// Whatever happens and whenever it is interrupted, a run keeps its books.
func TestARunKeepsItsPromises(t *testing.T) {
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			w := randomWorld(rng)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopping := make(chan struct{})
			w.opts.Stopping = stopping
			// Nothing else happens at that fraction of a millisecond.
			stop := time.Duration(1+rng.IntN(12000))*time.Millisecond + 333*time.Microsecond
			cut := stop + time.Duration(1+rng.IntN(3000))*time.Millisecond
			interrupts := rng.IntN(3)
			if interrupts > 0 {
				time.AfterFunc(stop, func() { close(stopping) })
			}
			if interrupts > 1 {
				time.AfterFunc(cut, cancel)
			}
			w.run(ctx)
			if w.err != nil {
				t.Errorf("seed %d: %v", seed, w.err)
			}
			if interrupts > 0 && w.summary.Duration > stop+2*time.Minute {
				t.Errorf("seed %d: it went on for %s after an interrupt", seed, w.summary.Duration-stop)
			}
			for _, broken := range w.brokenPromises(stop, interrupts > 0) {
				t.Errorf("seed %d: %s", seed, broken)
			}
			if t.Failed() {
				t.Logf("seed %d:\n%s", seed, w.lines())
			}
			synctest.Wait()
		})
		if t.Failed() {
			return
		}
	}
}

// brokenPromises folds the events and says what is wrong with them.
func (w *world) brokenPromises(stop time.Duration, stopped bool) (broken []string) {
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	jobs, open, tally := map[string]int{}, map[string]bool{}, map[outcome.Outcome]int{}
	halted := false
	for _, r := range w.records {
		switch f := r.Fact.(type) {
		case event.WaveHalted:
			halted = true
		case event.StepStart:
			key := fmt.Sprint(f.Address, f.Attempt)
			if open[key] {
				say("%s started twice", key)
			}
			open[key] = true
			if stopped && r.Time.Sub(w.began) >= stop && !isFinally(f.Address) {
				say("%s started after the interrupt", key)
			}
		case event.StepComplete:
			delete(open, fmt.Sprint(f.Address, f.Attempt))
		case event.JobComplete:
			jobs[f.Address]++
			tally[f.Outcome]++
			if got := w.summary.Facts.Jobs[f.Address].Outcome; got != f.Outcome {
				say("%s is %s in its event and %s in the facts", f.Address, f.Outcome, got)
			}
		}
	}
	for key := range open {
		say("%s did not end", key)
	}
	for _, s := range w.sessions {
		for _, j := range s.Jobs {
			if jobs[j.Address] != 1 {
				say("%s ended %d times", j.Address, jobs[j.Address])
			}
			if facts := w.summary.Facts.Jobs[j.Address]; facts.Outcome == outcome.Passed {
				for _, step := range s.Steps {
					if f := facts.Steps[step.Label]; f == nil || f.Outcome != outcome.Passed && f.Outcome != outcome.Skipped {
						say("%s passed and its step %s did not", j.Address, step.Label)
					}
				}
			}
		}
	}
	if fmt.Sprint(tally) != fmt.Sprint(w.summary.Tally.Jobs) {
		say("events count %v, the summary %v", tally, w.summary.Tally.Jobs)
	}
	if halted != w.summary.Tally.Halted {
		say("halted: events say %t, the summary %t", halted, w.summary.Tally.Halted)
	}
	bad := len(w.summary.Facts.Jobs) - tally[outcome.Passed] - tally[outcome.Skipped]
	if code := w.summary.ExitCode(); code == 0 && bad > 0 {
		say("exit code 0 with %v", tally)
	}
	return broken
}

func isFinally(address string) bool {
	return len(address) > 9 && address[len(address)-9:] == "finally_a"
}
