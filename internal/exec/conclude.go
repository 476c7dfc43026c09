package exec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// conclude evaluates checks and outputs, and closes the run's events.
func (r *run) conclude() (*Summary, error) {
	s := r.summary()
	err := r.failure()
	conclusion, panicked := r.concludePlan()
	err = errors.Join(err, panicked)
	s.Conclusion = conclusion

	facts := r.diagnosticFacts("", conclusion.Diagnostics)
	checks := map[outcome.Outcome]int{}
	for _, c := range conclusion.Checks {
		checks[c.Outcome]++
		if c.Outcome == outcome.Failed {
			s.Tally.ChecksFailed = true
		}
		facts = append(facts, event.CheckComplete{
			Address: c.Address,
			Outcome: c.Outcome,
			Text:    c.Message,
			Range:   rangeOf(c.Range),
		})
	}
	if len(conclusion.Outputs) > 0 {
		facts = append(facts, outputsFact(conclusion.Outputs))
	}
	s.Mistakes = conclusion.Diagnostics.HasErrors()
	s.Duration = time.Since(r.began)
	s.Broken = err != nil
	facts = append(facts, event.RunSummary{
		Jobs:        s.Tally.Jobs,
		Checks:      checks,
		ExitCode:    s.ExitCode(),
		Halted:      s.Tally.Halted,
		Interrupted: s.Tally.Interrupted,
		DurationMS:  s.Duration.Milliseconds(),
	})
	if commitErr := r.log.Commit(facts...); commitErr != nil && r.failure() == nil {
		err = errors.Join(err, fmt.Errorf("record the run's end: %w", commitErr))
		s.Broken = true
	}
	return s, err
}

// concludePlan turns a panic in an evaluation into an error: the jobs' results
// are worth more than the checks.
func (r *run) concludePlan() (c plan.Conclusion, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = plan.Conclusion{}, fmt.Errorf("conclude the run: internal error: %v", p)
		}
	}()
	return r.eval.Conclude(r.facts), nil
}

func (r *run) summary() *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	tally := r.tally
	tally.Refused = tally.Refused || r.refused
	slices.SortFunc(r.open, func(a, b OpenSession) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.ID, b.ID))
	})
	return &Summary{
		Tally:    tally,
		Facts:    r.facts,
		Duration: time.Since(r.began),
		Orphans:  r.orphans,
		Open:     r.open,
	}
}

func outputsFact(values map[string]plan.OutputValue) event.Outputs {
	out := event.Outputs{Values: make(map[string]event.Output, len(values))}
	for name, v := range values {
		o := event.Output{Sensitive: v.Sensitive, Type: v.Type}
		if v.Known && !v.Sensitive {
			o.Value = v.Value.Value
		}
		out.Values[name] = o
	}
	return out
}
