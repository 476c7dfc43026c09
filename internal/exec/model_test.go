package exec

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// modelled is a rollout in the reference model: one session, random jobs.
type modelled struct {
	waves    []int // cumulative
	parallel int   // 0 = none
	budget   int   // -1 = none
	outcomes []outcome.Outcome
	lasts    []time.Duration
}

func drawRollout(t *rapid.T) modelled {
	n := rapid.IntRange(1, 30).Draw(t, "jobs")
	m := modelled{
		parallel: rapid.IntRange(0, 6).Draw(t, "parallel"),
		budget:   rapid.IntRange(-1, 5).Draw(t, "budget"),
	}
	ends := rapid.SliceOfNDistinct(rapid.IntRange(1, n), 1, min(n, 5), rapid.ID).Draw(t, "waves")
	slices.Sort(ends)
	if ends[len(ends)-1] != n {
		ends = append(ends, n)
	}
	m.waves = ends
	outcomes := []outcome.Outcome{outcome.Passed, outcome.Passed, outcome.Skipped, outcome.Cancelled,
		outcome.Failed, outcome.TimedOut, outcome.Unreachable, outcome.Unknown}
	for i := range n {
		m.outcomes = append(m.outcomes, rapid.SampledFrom(outcomes).Draw(t, "outcome"))
		// Odd powers of a prime, so to say: no two sums are equal.
		ms := rapid.IntRange(1, 1000).Draw(t, "ms")
		m.lasts = append(m.lasts, time.Duration(ms)*time.Millisecond+time.Duration(1<<i))
	}
	return m
}

// expect is the reference: job by job, in the order of their ends.
func (m modelled) expect() (outcomes []outcome.Outcome, halted bool) {
	outcomes = make([]outcome.Outcome, len(m.outcomes))
	for i := range outcomes {
		outcomes[i] = outcome.NotStarted
	}
	now, next, bad := time.Duration(0), 0, 0
	running := map[int]time.Duration{}
	for wave := 0; wave < len(m.waves); {
		for !halted && next < m.waves[wave] && (m.parallel == 0 || len(running) < m.parallel) {
			running[next] = now + m.lasts[next]
			next++
		}
		if len(running) == 0 {
			wave++
			if halted {
				break
			}
			continue
		}
		first := -1
		for i, end := range running {
			if first < 0 || end < running[first] {
				first = i
			}
		}
		now = running[first]
		delete(running, first)
		outcomes[first] = m.outcomes[first]
		switch m.outcomes[first] {
		case outcome.Failed, outcome.TimedOut, outcome.Unreachable, outcome.Unknown:
			bad++
			halted = halted || m.budget >= 0 && bad > m.budget
		}
	}
	return outcomes, halted
}

func TestRolloutsFollowTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRollout(rt)
		want, halted := m.expect()
		var got []outcome.Outcome
		var sum *Summary
		synctest.Test(t, func(t *testing.T) {
			s := newSession("web", len(m.outcomes), inWaves(m.waves...), maxParallel(m.parallel), budget(m.budget))
			w := newWorld(s)
			w.opts.Runner = &scripted{job: func(ctx context.Context, task Task) JobResult {
				var i int
				fmt.Sscanf(task.Job.Target.ID, "i-%d", &i)
				return lasting(m.lasts[i-1], m.outcomes[i-1])(ctx, task)
			}}
			w.run(t.Context())
			sum = w.summary
			for _, j := range s.Jobs {
				got = append(got, sum.Facts.Jobs[j.Address].Outcome)
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if sum.Tally.Halted != halted {
			rt.Errorf("halted %t, want %t", sum.Tally.Halted, halted)
		}
	})
}
