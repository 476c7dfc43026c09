package plan

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// moment is when expressions are evaluated: at plan, where nothing of a run is
// known, or during a run, with its facts.
type moment struct {
	plan  *Plan
	facts *Facts // nil at plan
}

var nullText, nullNumber = cty.NullVal(cty.String), cty.NullVal(cty.Number)

// run is what `run` is.
func (m moment) run() cty.Value {
	id, started := cty.UnknownVal(cty.String).RefineNotNull(), cty.UnknownVal(cty.String).RefineNotNull()
	if m.facts != nil {
		id = cty.StringVal(m.facts.RunID)
		started = cty.StringVal(m.facts.StartedAt.UTC().Format(time.RFC3339))
	}
	return cty.ObjectVal(map[string]cty.Value{"id": id, "started_at": started})
}

// jobScope has the names that a session's own attributes may use on one
// target.
func (m moment) jobScope(job *Job) *hclspec.Scope {
	scope := job.Session.scope.NewChild()
	scope.Variables = m.jobNames(job, job.Session.block.reads)
	return scope
}

func (m moment) jobNames(job *Job, sessions []string) map[string]cty.Value {
	names := map[string]cty.Value{"target": job.value, "run": m.run()}
	if len(sessions) > 0 {
		names["session"] = m.sessions(sessions)
	}
	return names
}

// stepScope has the names that a step may use, with `self` when there is a
// result to speak of.
func (m moment) stepScope(job *Job, step *Step, self cty.Value) *hclspec.Scope {
	scope := step.scope.NewChild()
	names := m.jobNames(job, step.uses.sessions)
	if len(step.uses.steps) > 0 {
		names["step"] = m.steps(job, step)
	}
	if self != cty.NilVal {
		names["self"] = self
	}
	if step.Finally {
		names["job"] = m.job(job)
	}
	scope.Variables = names
	return scope
}

// steps is what `step` is for one step: the blocks that it refers to.
func (m moment) steps(job *Job, step *Step) cty.Value {
	s := job.Session
	names := step.uses.steps
	if names[0] == allSteps {
		names = nil
		for _, decl := range steps(s.block.decl) {
			if decl.Name == step.decl.Name {
				break
			}
			names = append(names, decl.Name)
		}
	}
	attrs := make(map[string]cty.Value, len(names))
	for _, name := range names {
		if m.facts == nil {
			if planned, ok := s.planned[name]; ok {
				attrs[name] = planned
			}
			continue
		}
		attrs[name] = s.stepValue(name, m.facts.Jobs[job.Address])
	}
	return cty.ObjectVal(attrs)
}

// stepValue is what `step.NAME` is after the facts of a job: one object, or
// one for each key of a step with for_each. The job may be nil.
func (s *Session) stepValue(name string, job *JobFacts) cty.Value {
	byKey := map[string]cty.Value{}
	for _, step := range s.named(name) {
		var facts *StepFacts
		if job != nil {
			facts = job.Steps[step.Label]
		}
		if step.decl.ForEach == nil {
			return step.factsValue(facts)
		}
		byKey[step.key()] = step.factsValue(facts)
	}
	return cty.ObjectVal(byKey)
}

// key returns the for_each key of a step that has one.
func (s *Step) key() string {
	each := s.scope.Variables["each"]
	return each.GetAttr("key").AsString()
}

// factsValue is a step as later steps see it: every declared capture is there,
// and what did not happen is null.
func (s *Step) factsValue(facts *StepFacts) cty.Value {
	attrs := map[string]cty.Value{
		"outcome": nullText, "exit_code": nullNumber, "duration": nullNumber, "attempt": nullNumber,
	}
	captures := make(map[string]cty.Value, len(s.decl.Captures))
	for _, capture := range s.decl.Captures {
		captures[capture.Name] = cty.NullVal(cty.DynamicPseudoType)
	}
	if facts != nil {
		attrs["outcome"] = outcomeValue(facts.Outcome)
		attrs["duration"] = secondsValue(facts.Duration)
		if facts.Attempt > 0 {
			attrs["attempt"] = cty.NumberIntVal(int64(facts.Attempt))
		}
		if facts.ExitCode != nil {
			attrs["exit_code"] = cty.NumberIntVal(int64(*facts.ExitCode))
		}
		for name, value := range facts.Captures {
			captures[name] = value.decode()
		}
	}
	attrs["captures"] = cty.ObjectVal(captures)
	return cty.ObjectVal(attrs)
}

func outcomeValue(o outcome.Outcome) cty.Value {
	if o == "" {
		return nullText
	}
	return cty.StringVal(string(o))
}

// secondsValue is a duration as expressions see it: a number of seconds.
func secondsValue(d time.Duration) cty.Value { return cty.NumberFloatVal(d.Seconds()) }

// job is what `job` is in a finally block: the verdict of the steps so far.
func (m moment) job(job *Job) cty.Value {
	verdict, failed := cty.UnknownVal(cty.String), cty.UnknownVal(cty.String)
	if m.facts != nil {
		o, step := soFar(job, m.facts.Jobs[job.Address])
		verdict, failed = outcomeValue(o), nullText
		if step != "" {
			failed = cty.StringVal(step)
		}
	}
	return cty.ObjectVal(map[string]cty.Value{"outcome": verdict, "failed_step": failed})
}

// soFar returns the verdict on a job before its finally blocks, and the step
// that decided it. What exec has already said counts.
func soFar(job *Job, facts *JobFacts) (outcome.Outcome, string) {
	if facts == nil {
		return outcome.NotStarted, ""
	}
	verdict, failed := facts.Outcome, facts.FailedStep
	if verdict != "" {
		return verdict, failed
	}
	verdict = outcome.Passed
	for _, step := range job.Session.Steps {
		if f := facts.Steps[step.Label]; f != nil {
			if worse := outcome.Worse(verdict, f.Outcome); worse != verdict {
				verdict, failed = worse, step.Label
			}
		}
	}
	if facts.FailedStep != "" {
		failed = facts.FailedStep
	}
	return verdict, failed
}
