package view

import (
	"slices"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// PlanFacts returns a plan as facts, for the event stream: one planned_session
// for each session block and a plan_summary. Of the options StartRate counts.
func PlanFacts(p *plan.Plan, opts Options) []event.Fact {
	var facts []event.Fact
	all := newStarts(p, opts)
	for _, s := range shown(p) {
		own := newStarts(p, opts)
		own.add(s)
		all.add(s)
		f := event.PlannedSession{
			Address:   s.Address,
			Session:   s.Name,
			Kind:      string(s.Kind),
			Document:  s.Document,
			Targets:   []string{},
			Waves:     [][]string{},
			Steps:     []string{},
			MaxFails:  s.Rollout.MaxFailures,
			Parallel:  s.Rollout.MaxParallel,
			StartTime: own.time().Seconds(),
		}
		for _, wave := range waves(s) {
			ids := make([]string, len(wave))
			for i, j := range wave {
				ids[i] = j.Target.ID
			}
			f.Targets = append(f.Targets, ids...)
			f.Waves = append(f.Waves, ids)
		}
		for _, st := range s.Steps {
			f.Steps = append(f.Steps, "step."+st.Label)
		}
		for _, st := range s.Finally {
			f.Steps = append(f.Steps, "finally."+st.Label)
		}
		facts = append(facts, f)
	}
	total, offline := targets(p)
	return append(facts, event.PlanSummary{
		Sessions: len(shown(p)),
		Jobs:     Jobs(p),
		Targets:  total,
		Offline:  offline,
		Starts:   all.total,
		Seconds:  all.time().Seconds(),
	})
}

// shown returns the sessions of a plan that -target does not leave out.
func shown(p *plan.Plan) []*plan.Session {
	return slices.DeleteFunc(slices.Clone(p.Sessions), func(s *plan.Session) bool { return s.LeftOut })
}

// waves cuts a session's jobs into waves.
func waves(s *plan.Session) [][]*plan.Job {
	var all [][]*plan.Job
	from := 0
	for _, to := range s.Rollout.Waves {
		if to = min(to, len(s.Jobs)); to > from {
			all = append(all, s.Jobs[from:to])
			from = to
		}
	}
	if from < len(s.Jobs) {
		all = append(all, s.Jobs[from:])
	}
	return all
}
