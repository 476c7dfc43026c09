package exec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// expectations are the facts of all of them, in source order.
func (a *attempt) expectations(v plan.Verdict) []event.Fact {
	var facts []event.Fact
	for _, e := range v.Expectations {
		facts = append(facts, event.StepExpect{
			Step:        stepIdent(a.Job, a.step, a.number),
			Expectation: e.Name,
			Expected:    e.Expected,
			Got:         e.Got,
			Passed:      e.Passed,
			Text:        e.Message,
			Range:       rangeOf(e.Range),
			Snippet:     a.eval.SourceLine(e.Range),
		})
	}
	return facts
}

// captures are the facts of what was captured, by name; a sensitive one has no
// value.
func (a *attempt) captures(v plan.Verdict) []event.Fact {
	var facts []event.Fact
	for _, name := range slices.Sorted(maps.Keys(v.Captures)) {
		value := v.Captures[name]
		f := event.StepCapture{
			Step:      stepIdent(a.Job, a.step, a.number),
			Name:      name,
			Kind:      value.Type,
			Sensitive: value.Sensitive || a.step.Sensitive,
		}
		if !f.Sensitive {
			f.Value = value.Value
		}
		facts = append(facts, f)
	}
	return facts
}

// complaint is one line that says why an attempt did not pass.
func complaint(v plan.Verdict) string {
	for _, e := range v.Expectations {
		if e.Passed {
			continue
		}
		return cmp.Or(e.Message, fmt.Sprintf("%s: expected %s, got %s", e.Name, e.Expected, e.Got))
	}
	if v.Diagnostics.HasErrors() {
		return firstError(v.Diagnostics)
	}
	return ""
}
