package exec

import (
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

func jobIdent(j *plan.Job) event.Job {
	return event.Job{
		Address: j.Address,
		Session: j.Session.Name,
		Target:  j.Target.ID,
		Name:    j.Target.Name,
	}
}

func stepAddress(j *plan.Job, s *plan.Step) string {
	if s.Finally {
		return j.Address + ".finally." + s.Label
	}
	return j.Address + ".step." + s.Label
}

func stepIdent(j *plan.Job, s *plan.Step, attempt int) event.Step {
	return event.Step{
		Address: stepAddress(j, s),
		Session: j.Session.Name,
		Target:  j.Target.ID,
		Name:    j.Target.Name,
		Step:    s.Label,
		Attempt: attempt,
		Index:   s.Index + 1,
	}
}

// jobKind is the kind of a job: its own, or its session's.
func jobKind(j *plan.Job) plan.Kind {
	if j.Kind != "" {
		return j.Kind
	}
	return j.Session.Kind
}

// diagnosticFacts turns diagnostics into events. What they say of sensitive
// values has been left out by whoever made them.
func (r *run) diagnosticFacts(address string, diags plan.Diagnostics) []event.Fact {
	var facts []event.Fact
	for i, d := range diags {
		f := event.Diagnostic{
			Severity: event.SeverityWarning,
			Summary:  d.Summary,
			Detail:   d.Detail,
			Address:  address,
		}
		if diags[i : i+1].HasErrors() {
			f.Severity = event.SeverityError
		}
		if d.Subject != nil {
			f.Range = rangeOf(*d.Subject)
			f.Snippet = r.eval.SourceLine(*d.Subject)
		}
		facts = append(facts, f)
	}
	return facts
}

// rangeOf returns nil for the zero range.
func rangeOf(r plan.Range) *event.Range {
	if r.Filename == "" && r.Start.Line == 0 {
		return nil
	}
	return &event.Range{
		Filename: r.Filename,
		Start:    event.Pos{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
		End:      event.Pos{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte},
	}
}
