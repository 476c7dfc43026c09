package view

import (
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// Jobs returns how many jobs a plan has.
func Jobs(p *plan.Plan) int {
	n := 0
	for _, s := range p.Sessions {
		n += len(s.Jobs)
	}
	return n
}

// Targets returns how many different targets a plan's jobs have.
func Targets(p *plan.Plan) int {
	total, _ := targets(p)
	return total
}

func targets(p *plan.Plan) (total, offline int) {
	seen := map[string]bool{}
	for _, s := range p.Sessions {
		for _, j := range s.Jobs {
			key := j.Target.Account + " " + j.Target.Region + " " + j.Target.ID
			if seen[key] {
				continue
			}
			seen[key] = true
			if !j.Target.Online {
				offline++
			}
		}
	}
	return len(seen), offline
}

// defaultStartRate is what a provider's start rate is when the plan does not
// know it.
const defaultStartRate = 2

// starts adds up StartSession calls by the quota they use: AWS counts by
// account and region.
type starts struct {
	rate  map[string]float64 // of each provider
	same  float64            // instead of those, when not 0
	calls map[string]int     // by quota
	slow  map[string]float64 // the rate of each quota: the lowest of its providers
	total int
}

func newStarts(p *plan.Plan, opts Options) *starts {
	s := &starts{same: opts.StartRate, rate: map[string]float64{}, calls: map[string]int{}, slow: map[string]float64{}}
	for _, prov := range p.Providers {
		s.rate[prov.Key] = prov.StartRate
	}
	return s
}

// add counts a session's jobs: one call a job and one more after each reboot, or
// one a step for the command and document kinds, without retries.
func (s *starts) add(sess *plan.Session) {
	steps, runs, reboots := 0, 0, 0
	for _, list := range [][]*plan.Step{sess.Steps, sess.Finally} {
		for _, st := range list {
			if st.Action == plan.ActionCommand || st.Action == plan.ActionScript {
				steps++
			}
			if st.Action == plan.ActionDocument {
				runs++
			}
			if st.Action == plan.ActionReboot {
				reboots++
			}
		}
	}
	for _, j := range sess.Jobs {
		n := 1 + reboots
		if kindOf(j) == plan.KindCommand {
			n = steps
		}
		if kindOf(j) == plan.KindDocument {
			n = runs
		}
		quota := j.Target.Account + " " + j.Target.Region
		if j.Target.Region == "" {
			quota = j.Target.Provider
		}
		rate := s.rate[j.Target.Provider]
		if s.same != 0 {
			rate = s.same
		}
		if rate <= 0 {
			rate = defaultStartRate
		}
		if slow, ok := s.slow[quota]; !ok || rate < slow {
			s.slow[quota] = rate
		}
		s.calls[quota] += n
		s.total += n
	}
}

// time is how long the calls take at the least: quotas run beside each other,
// and the first call of each waits for nothing.
func (s *starts) time() time.Duration {
	var longest float64
	for quota, n := range s.calls {
		longest = max(longest, float64(n-1)/s.slow[quota])
	}
	return time.Duration(longest * float64(time.Second))
}

// kindOf is a job's kind: its own, or its session's.
func kindOf(j *plan.Job) plan.Kind {
	if j.Kind != "" {
		return j.Kind
	}
	return j.Session.Kind
}
