package plan

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Conclude evaluates checks and outputs once every job has ended. What cannot
// be evaluated because jobs did not pass is unknown; what cannot be evaluated
// although they did is a diagnostic.
func (p *Plan) Conclude(facts *Facts) Conclusion {
	m := moment{plan: p, facts: facts}
	c := Conclusion{Outputs: make(map[string]OutputValue, len(p.eval.rb.Outputs))}
	var found problems
	for _, check := range p.eval.rb.Checks {
		c.Checks = append(c.Checks, m.check(check, &found))
	}
	for _, output := range p.eval.rb.Outputs {
		c.Outputs[output.Name] = m.output(output, &found)
	}
	c.Diagnostics = found.list
	return c
}

// conclusionScope has the names that checks and outputs may use, sessions as
// far as the expressions refer to them.
func (m moment) conclusionScope(exprs ...hclspec.Expression) *hclspec.Scope {
	var sessions []string
	for _, expr := range exprs {
		sessions = append(sessions, m.plan.eval.sessionsRead(expr)...)
	}
	scope := m.plan.scope.NewChild()
	scope.Variables = map[string]cty.Value{"run": m.run()}
	if sessions = sortedSet(sessions); len(sessions) > 0 {
		scope.Variables["session"] = m.sessions(sessions)
	}
	return scope
}

func (m moment) check(check *hclspec.Check, found *problems) CheckResult {
	result := CheckResult{Address: "check." + check.Name, Outcome: outcome.Passed, Range: check.Range}
	var complaints []string
	for _, assertion := range check.Asserts {
		verdict, message := m.checkAssertion(assertion, found)
		if verdict == outcome.Passed {
			continue
		}
		if worst := outcome.Worse(verdict, result.Outcome); len(complaints) == 0 || worst != result.Outcome {
			result.Range = assertion.Condition.Range()
		}
		complaints = append(complaints, message)
		result.Outcome = checkWorse(result.Outcome, verdict)
	}
	result.Message = strings.Join(complaints, " ")
	return result
}

// checkWorse: an assertion that is false outweighs one that has no answer.
func checkWorse(a, b outcome.Outcome) outcome.Outcome {
	if a == outcome.Failed || b == outcome.Failed {
		return outcome.Failed
	}
	return outcome.Worse(a, b)
}

func (m moment) checkAssertion(assertion *hclspec.Assertion, found *problems) (outcome.Outcome, string) {
	expr := assertion.Condition
	scope := m.conclusionScope(expr, assertion.ErrorMessage)
	v, diags := evaluateAs("condition", expr, scope, cty.Bool)
	v = bare(v)
	if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() {
		if m.excused(expr) {
			return outcome.Unknown, "It cannot be answered, because jobs did not pass."
		}
		found.extend(diags)
		if !diags.HasErrors() {
			found.errorf(expr.Range(), "Condition is null", "A check has to be true or false, and this has no value.")
		}
		return outcome.Failed, "It cannot be evaluated."
	}
	if v.True() {
		return outcome.Passed, ""
	}
	if assertion.ErrorMessage == nil {
		return outcome.Failed, "Not true: " + m.plan.eval.source(expr.Range())
	}
	return outcome.Failed, viewer{scope}.text(assertion.ErrorMessage)
}

// excused reports whether a job that did not pass is among those that an
// expression looks at, or among all when it names no session.
func (m moment) excused(expr hclspec.Expression) bool {
	names := m.plan.eval.sessionsRead(expr)
	if len(names) == 0 {
		names = sortedKeys(m.plan.byName)
	}
	for _, name := range names {
		for _, s := range m.plan.byName[name].instances {
			for _, job := range s.Jobs {
				if facts := m.facts.Jobs[job.Address]; facts == nil || facts.Outcome != outcome.Passed {
					return true
				}
			}
		}
	}
	return false
}

func (m moment) output(output *hclspec.Output, found *problems) OutputValue {
	v, diags := evaluate(output.Value, m.conclusionScope(output.Value))
	if diags.HasErrors() || !v.IsWhollyKnown() {
		if !m.excused(output.Value) {
			found.extend(diags)
		}
		return OutputValue{Value: Value{Sensitive: output.Sensitive}}
	}
	if isSecret(v) && !output.Sensitive {
		found.errorf(output.Value.Range(), "Sensitive value in output",
			"The output %q has a sensitive value in it. Add sensitive = true to keep it from being shown.", output.Name)
		return OutputValue{Value: Value{Sensitive: true}}
	}
	value, err := encodeValue(v)
	if err != nil {
		found.errorf(output.Value.Range(), "Output cannot be kept", "The output %q: %s.", output.Name, err)
		return OutputValue{}
	}
	if output.Sensitive || value.Sensitive {
		value = Value{Sensitive: true} // nobody may see it, so nobody gets it
	}
	return OutputValue{Value: value, Known: true}
}
