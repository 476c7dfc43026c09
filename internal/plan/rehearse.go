package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// rehearse evaluates, for every instance of a session block, what will be
// evaluated during a run, with what is not known yet left open: so that
// mistakes are found before anything runs.
func (b *builder) rehearse(block *sessionBlock) {
	onEach := false
	eachOfSession(block.decl, func(expr hclspec.Expression) { onEach = onEach || refersTo(expr, "target") })
	for _, s := range block.instances {
		s.planned = map[string]cty.Value{}
		for _, job := range s.rehearsed(onEach) {
			b.problems.target = job.Target.ID
			b.rehearseJob(s, job)
		}
		b.problems.target = ""
		b.checkTunnels(s)
		b.checkDownloads(s)
		s.Reason = b.previewReason(s)
		for _, step := range append(append([]*Step{}, s.Steps...), s.Finally...) {
			b.rehearseStep(s, step)
		}
		for _, decl := range steps(block.decl) {
			if _, ok := s.planned[decl.Name]; !ok {
				s.planned[decl.Name] = cty.EmptyObjectVal // for_each over nothing
			}
		}
	}
}

// rehearsed returns the jobs that an evaluation has to be tried on: all of
// them when it looks at the target, one of each kind when not.
func (s *Session) rehearsed(onEach bool) []*Job {
	if len(s.Jobs) == 0 {
		return []*Job{s.representative}
	}
	if onEach {
		return s.Jobs
	}
	var jobs []*Job
	type likeness struct {
		kind               Kind
		platform, document string
		provider           string
	}
	seen := map[likeness]bool{}
	for _, job := range s.Jobs {
		alike := likeness{job.Kind, job.Target.Platform, job.Document, job.Target.Provider}
		if !seen[alike] {
			seen[alike] = true
			jobs = append(jobs, job)
		}
	}
	return jobs
}

func (b *builder) rehearseJob(s *Session, job *Job) {
	m := moment{plan: b.plan}
	r := m.renderer(job, m.jobScope(job))
	r.problems = b.problems
	r.start()
	expr := s.block.decl.Parameters
	if job.Kind == "" {
		return // its document is in error
	}
	choice := documentChoice{builder: b, session: s}
	if expr == nil {
		choice.checkParameters(job, nil, s.Range)
		return
	}
	if v, diags := evaluate(expr, r.scope); !diags.HasErrors() {
		if given, ok := knownKeys(v); ok {
			choice.checkParameters(job, given, expr.Range())
		}
	}
}

// previewReason is the reason as the plan shows it, for all targets.
func (b *builder) previewReason(s *Session) string {
	expr := s.block.decl.Reason
	if expr == nil {
		return ""
	}
	all := *s.representative
	if len(s.Jobs) != 1 {
		all.value = cty.UnknownVal(targetType)
	}
	return oneLine(viewer{moment{plan: b.plan}.jobScope(&all)}.text(expr))
}

func (b *builder) rehearseStep(s *Session, step *Step) {
	var captures map[string]cty.Value
	defer func() { b.problems.target = "" }()
	for _, job := range s.rehearsed(step.uses.target) {
		b.problems.target = job.Target.ID
		captures = mergeUnknown(captures, b.rehearseOn(job, step))
	}
	planned := plannedStep(captures)
	if step.decl.ForEach == nil {
		s.planned[step.decl.Name] = planned
		return
	}
	byKey := map[string]cty.Value{step.key(): planned}
	if before, ok := s.planned[step.decl.Name]; ok {
		for key, v := range before.AsValueMap() {
			byKey[key] = v
		}
	}
	s.planned[step.decl.Name] = cty.ObjectVal(byKey)
}

// rehearseOn evaluates a step for one job and returns its captures, unknown.
func (b *builder) rehearseOn(job *Job, step *Step) map[string]cty.Value {
	m := moment{plan: b.plan}
	r := m.renderer(job, m.stepScope(job, step, m.before(job, step)))
	r.problems = b.problems
	r.condition("when", step.decl.When)
	r.work(step)

	judged := m.renderer(job, m.stepScope(job, step, unknownSelf(step)))
	judged.problems = b.problems
	judged.rehearseExpect(step)
	judged.rehearseAnswers(step)
	captures := map[string]cty.Value{}
	for _, capture := range step.decl.Captures {
		v, diags := evaluate(capture.Expr, judged.scope)
		b.problems.extend(diags)
		if isSecret(v) || step.Sensitive {
			v = v.Mark(hclspec.MarkSensitive)
		}
		captures[capture.Name] = unknownLike(v)
	}

	self := unknownSelf(step).AsValueMap()
	self["captures"] = cty.ObjectVal(captures)
	judged.scope = m.stepScope(job, step, cty.ObjectVal(self))
	for _, assertion := range step.decl.Asserts {
		judged.value("condition", assertion.Condition, cty.Bool)
		judged.value("error_message", assertion.ErrorMessage, cty.String)
	}
	if retry := step.decl.Retry; retry != nil {
		judged.value("until", retry.Until, cty.Bool)
	}
	return captures
}

func (r *renderer) rehearseExpect(step *Step) {
	decl := step.decl.Expect
	if decl == nil {
		return
	}
	if v, ok := r.plain("exit_code", decl.ExitCode, cty.DynamicPseudoType); ok {
		if _, _, err := exitCodes(v, wideCodes(r.job, step)); err != nil {
			r.problems.errorf(decl.ExitCode.Range(), "Bad exit_code", "%s.", err)
		}
	}
	if v, ok := r.plain("within", decl.Within, cty.String); ok {
		if _, err := parseDuration(v.AsString()); err != nil {
			r.problems.errorf(decl.Within.Range(), "Bad length of time", "In \"within\", %s.", err)
		}
	}
	for _, test := range streamTests(step.decl) {
		v, diags := evaluate(test.attr.Expr, r.scope)
		r.problems.extend(diags)
		if diags.HasErrors() || !v.IsWhollyKnown() {
			continue
		}
		if _, err := test.wants(v); err != nil {
			text := err.Error()
			if isSecret(v) {
				text = "the value, which is sensitive, does not fit"
			}
			r.problems.errorf(test.attr.Expr.Range(), "Bad expectation", "%s.", text)
		}
	}
}

// unknownSelf is what `self` is before the attempt has ended.
func unknownSelf(step *Step) cty.Value {
	output := cty.UnknownVal(cty.String).RefineNotNull()
	if step.Sensitive {
		output = output.Mark(hclspec.MarkSensitive)
	}
	exitCode := cty.UnknownVal(cty.Number)
	if !step.Action.hasCommand() && step.Action != ActionDocument {
		exitCode = nullNumber
	}
	return cty.ObjectVal(map[string]cty.Value{
		"stdout": output, "stderr": output, "stdout_base64": output, "exit_code": exitCode,
		"duration": cty.UnknownVal(cty.Number).RefineNotNull(), "attempt": cty.UnknownVal(cty.Number).RefineNotNull(),
		"local_port": cty.UnknownVal(cty.Number).RefineNotNull(),
		"bytes":      cty.UnknownVal(cty.Number), "sha256": cty.UnknownVal(cty.String),
	})
}

// unknownLike is an unknown of a value's type and marks. It may be null: what
// a step captures is null when the step did not happen.
func unknownLike(v cty.Value) cty.Value {
	secret := isSecret(v)
	v = cty.UnknownVal(bare(v).Type())
	if secret {
		v = v.Mark(hclspec.MarkSensitive)
	}
	return v
}

// mergeUnknown joins the captures that a step has on different targets.
func mergeUnknown(a, b map[string]cty.Value) map[string]cty.Value {
	if a == nil {
		return b
	}
	for name, v := range b {
		other := a[name]
		if bare(other).Type().Equals(bare(v).Type()) && isSecret(other) == isSecret(v) {
			continue
		}
		merged := cty.DynamicVal
		if isSecret(other) || isSecret(v) {
			merged = merged.Mark(hclspec.MarkSensitive)
		}
		a[name] = merged
	}
	return a
}

// plannedStep is what a step is before it ran.
func plannedStep(captures map[string]cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"outcome": cty.UnknownVal(cty.String), "exit_code": cty.UnknownVal(cty.Number),
		"duration": cty.UnknownVal(cty.Number), "attempt": cty.UnknownVal(cty.Number),
		"captures": cty.ObjectVal(captures),
	})
}

// rehearseConclusion evaluates checks and outputs, as far as they are known.
func (b *builder) rehearseConclusion() {
	if b.problems.hasErrors() {
		return // sessions in error have no values to speak of
	}
	m := moment{plan: b.plan}
	for _, check := range b.rb.Checks {
		for _, assertion := range check.Asserts {
			scope := m.conclusionScope(assertion.Condition, assertion.ErrorMessage)
			for name, expr := range map[string]hclspec.Expression{"condition": assertion.Condition, "error_message": assertion.ErrorMessage} {
				if expr == nil {
					continue
				}
				want := cty.Bool
				if name == "error_message" {
					want = cty.String
				}
				_, diags := evaluateAs(name, expr, scope, want)
				b.problems.extend(diags)
			}
		}
	}
	for _, output := range b.rb.Outputs {
		v, diags := evaluate(output.Value, m.conclusionScope(output.Value))
		b.problems.extend(diags)
		if isSecret(v) && !output.Sensitive {
			b.problems.errorf(output.Value.Range(), "Sensitive value in output",
				"The output %q has a sensitive value in it. Add sensitive = true to keep it from being shown.", output.Name)
		}
	}
}
