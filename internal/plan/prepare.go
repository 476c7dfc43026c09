package plan

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// PrepareJob renders what a job sends before its first step: whether it runs
// at all, the reason, the parameters and the environment. Facts must have
// every job of the sessions it depends on. With errors among the diagnostics
// the job must not start; a precondition that does not hold is one.
func (p *Plan) PrepareJob(job *Job, facts *Facts) (Start, hclspec.Diagnostics) {
	m := moment{plan: p, facts: facts}
	r := m.renderer(job, m.jobScope(job))
	for _, secret := range p.eval.secrets {
		r.secrets.add(secret)
	}
	start := r.start()
	start.Conceal = r.secrets.list
	return start, r.problems.list
}

// Prepare renders one attempt at a step from what is known so far. It answers
// the same for the same facts. Attempts count from 1. With errors among the
// diagnostics the step has failed and must not be sent.
func (p *Plan) Prepare(job *Job, step *Step, attempt int, facts *Facts) (Work, hclspec.Diagnostics) {
	m := moment{plan: p, facts: facts}
	r := m.renderer(job, m.stepScope(job, step, m.before(job, step)))
	holds, ok := r.condition("when", step.decl.When)
	if !ok {
		return Work{Action: step.Action}, r.problems.list
	}
	if !holds {
		return Work{Skip: true, Why: step.When + " is false", Action: step.Action}, r.problems.list
	}
	work := r.work(step)
	work.Display = m.display(job, step)
	work.Conceal = r.secrets.list
	return work, r.problems.list
}

func (m moment) renderer(job *Job, scope *hclspec.Scope) *renderer {
	return &renderer{moment: m, job: job, scope: scope, problems: &problems{}, secrets: &secrets{}}
}

// start renders a job's own attributes.
func (r *renderer) start() Start {
	decl := r.job.Session.block.decl
	holds, ok := r.condition("when", decl.When)
	if !ok && !r.planning() {
		return Start{}
	}
	if !holds && ok {
		return Start{Skip: true, Why: r.plan.eval.source(decl.When.Range()) + " is false"}
	}
	for _, assertion := range decl.Preconditions {
		r.precondition(assertion)
	}
	var s Start
	if v, ok := r.plain("reason", decl.Reason, cty.String); ok {
		s.Reason = oneLine(v.AsString())
	}
	s.Parameters = r.parameters(decl.Parameters)
	s.Env = r.env(decl.Env)
	s.LocalPort = r.localPort(decl.Parameters, s.Parameters)
	return s
}

// condition evaluates a when: true without one. It returns false as its second
// value when there is no answer: a mistake, or at plan not known yet.
func (r *renderer) condition(name string, expr hclspec.Expression) (holds, ok bool) {
	if expr == nil {
		return true, true
	}
	before := len(r.problems.list)
	v, ok := r.plain(name, expr, cty.Bool)
	if ok {
		return v.True(), true
	}
	if v != cty.NilVal && v.IsNull() && len(r.problems.list) == before {
		r.problems.errorf(expr.Range(), "Condition is null", "%q has to be true or false, and it is null: %s. Say what null means, such as coalesce(…, false).", name, r.plan.eval.source(expr.Range()))
	}
	return false, false
}

func (r *renderer) precondition(assertion *hclspec.Assertion) {
	v, ok := r.value("condition", assertion.Condition, cty.Bool)
	if v != cty.NilVal && v.IsNull() {
		r.problems.errorf(assertion.Condition.Range(), "Condition is null", "A precondition has to be true or false, and this is null.")
		return
	}
	if !ok || v.True() {
		return
	}
	r.problems.errorf(assertion.Condition.Range(), "Precondition does not hold", "%s: %s", r.job.Address, r.message(assertion))
}

// message is an assertion's complaint, masked where it is sensitive.
func (r *renderer) message(assertion *hclspec.Assertion) string {
	if assertion.ErrorMessage == nil {
		return r.plan.eval.source(assertion.Condition.Range())
	}
	v := viewer{r.scope}
	return v.text(assertion.ErrorMessage)
}

// parameters reads the document's parameters. Whatever the kind, AWS keeps
// them in CloudTrail.
func (r *renderer) parameters(expr hclspec.Expression) map[string][]string {
	if expr == nil {
		return nil
	}
	if !r.job.Session.allowSensitive && r.secretIn("parameters", expr) {
		return nil
	}
	v, ok := r.value("parameters", expr, cty.DynamicPseudoType)
	if !ok {
		return nil
	}
	if !isMapping(v.Type()) {
		r.problems.errorf(expr.Range(), "Value of the wrong type", "\"parameters\" has to be an object, such as { name = [\"value\"] }.")
		return nil
	}
	given := make(map[string][]string, v.LengthInt())
	for key, element := range v.Elements() {
		texts, ok := textsOf(element)
		if !ok {
			r.problems.errorf(expr.Range(), "Value of the wrong type", "The parameter %q has to be a string or a list of strings, without null.", key.AsString())
			continue
		}
		given[key.AsString()] = slices.Clone(texts)
	}
	return given
}
