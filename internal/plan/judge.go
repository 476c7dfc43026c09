package plan

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Record returns the writers for the two streams of one attempt, to be handed
// to Judge in its Result. They keep in memory only what the step's
// expectations, captures and assertions may need; what is expected is worked
// out here, so that a stream of any length can be compared as it goes by.
func (p *Plan) Record(job *Job, step *Step, facts *Facts) (stdout, stderr *Recording) {
	recordings := map[string]*Recording{"stdout": {limit: headLimit}, "stderr": {limit: headLimit}}
	for stream, r := range recordings {
		if step.uses.text[stream] {
			r.limit = textLimit
		}
	}
	if step.uses.base64 {
		recordings["stdout"].limit = wholeLimit
	}
	tests := streamTests(step.decl)
	if len(tests) > 0 {
		scope := moment{plan: p, facts: facts}.stepScope(job, step, unknownSelf(step))
		for _, test := range tests {
			recordings[test.stream].prepare(test, scope)
		}
	}
	return recordings["stdout"], recordings["stderr"]
}

// prepare makes a recording ready for a test.
func (r *Recording) prepare(test streamTest, scope *hclspec.Scope) {
	r.limit = max(r.limit, testLimit)
	if test.kind == "empty" || test.kind == "lines" {
		return
	}
	v, diags := evaluate(test.attr.Expr, scope)
	if !diags.HasErrors() && v.IsWhollyKnown() {
		if w, err := test.wants(v); err == nil {
			if r.watching == nil {
				r.watching = map[any]watcher{}
			}
			switch test.kind {
			case "equals":
				r.watching[test.attr] = newEqualsWatcher(w.texts[0])
				return
			case "contains":
				r.watching[test.attr] = newContainsWatcher(w.texts)
				return
			}
		}
	}
	r.limit = wholeLimit
}

// Judge gives the verdict on an attempt: every expectation in source order,
// then captures, assertions and until. Expectations that hold are listed too.
// A nil stream counts as empty. Retry says that the step has attempts left;
// whether there is time for one is the caller's to say.
func (p *Plan) Judge(job *Job, step *Step, facts *Facts, result Result) Verdict {
	if result.Stdout == nil {
		result.Stdout = &Recording{}
	}
	if result.Stderr == nil {
		result.Stderr = &Recording{}
	}
	j := &judgement{
		moment: moment{plan: p, facts: facts}, job: job, step: step, result: result,
		problems: &problems{}, secrets: &secrets{}, captured: map[string]cty.Value{},
	}
	if result.TimedOut {
		j.timedOut()
	} else {
		j.judge()
	}
	return j.verdict()
}

// judgement is one attempt before its judge.
type judgement struct {
	moment
	job          *Job
	step         *Step
	result       Result
	problems     *problems
	secrets      *secrets
	expectations []Expectation
	captured     map[string]cty.Value
	captures     map[string]Value
	hasCaptures  bool // captures were taken: self.captures is there
	names        *hclspec.Scope
}

func (j *judgement) timedOut() {
	limit, at := j.limit()
	got := "stopped after " + roundedTime(j.result.Duration)
	if j.step.Action == ActionDocument || len(j.step.Prompts) > 0 {
		got += j.screen()
	}
	j.expectations = append(j.expectations, Expectation{Name: "timeout", Expected: "to end " + limit, Got: got, Range: at})
}

// limit is the limit that stopped an attempt, and where it is written. Its own
// timeout did if it took about that long; the target's clock and ours differ.
func (j *judgement) limit() (string, hclspec.Range) {
	decl, block := j.step.decl, j.job.Session.block.decl
	own := j.step.Timeout
	switch {
	case own > 0 && j.result.Duration >= own-own/10:
	case j.job.Session.Timeout > 0:
		return "before the session's timeout of " + j.job.Session.Timeout.String(), block.Timeout.Range()
	case j.step.Retry.Within > 0:
		return "in the " + j.step.Retry.Within.String() + " for all attempts", decl.Retry.Within.Range()
	}
	if decl.Timeout != nil {
		return "within " + own.String(), decl.Timeout.Range()
	}
	return "within " + own.String(), j.step.Range
}

func (j *judgement) judge() {
	j.expect()
	if j.passes() {
		j.capture()
	}
	for _, assertion := range j.step.decl.Asserts {
		if j.hasCaptures || !namesCaptures(assertion) {
			j.assert(assertion)
		}
	}
	if retry := j.step.decl.Retry; retry != nil && retry.Until != nil && j.passes() {
		j.condition("until", retry.Until, nil)
	}
}

// namesCaptures reports whether an assertion needs captures, which are not
// there when an expectation failed.
func namesCaptures(assertion *hclspec.Assertion) bool {
	for _, expr := range []hclspec.Expression{assertion.Condition, assertion.ErrorMessage} {
		for _, ref := range hclspec.References(expr) {
			if ref.Path[0] == "self" && (len(ref.Path) == 1 || ref.Path[1] == "captures") {
				return true
			}
		}
	}
	return false
}

func (j *judgement) passes() bool {
	return !j.problems.hasErrors() && !slices.ContainsFunc(j.expectations, func(e Expectation) bool { return !e.Passed })
}

func (j *judgement) verdict() Verdict {
	v := Verdict{
		Outcome: outcome.Passed, Expectations: j.expectations, Captures: j.captures,
		Conceal: j.secrets.list, Diagnostics: j.problems.list,
	}
	switch {
	case j.result.TimedOut:
		v.Outcome = outcome.TimedOut
	case !j.passes():
		v.Outcome = outcome.Failed
	}
	v.Retry = v.Outcome != outcome.Passed && j.result.Attempt < j.step.Retry.Attempts
	return v
}

// scope has the names of the step, and self.
func (j *judgement) scope() *hclspec.Scope {
	if j.names == nil {
		j.names = j.stepScope(j.job, j.step, j.self())
	}
	return j.names
}

// self is what `self` is for an attempt. A stream that is no text, or that is
// too long, is unknown there; evaluate complains where it is named.
func (j *judgement) self() cty.Value {
	attrs := map[string]cty.Value{
		"stdout":        j.streamValue("stdout", j.result.Stdout),
		"stderr":        j.streamValue("stderr", j.result.Stderr),
		"stdout_base64": cty.UnknownVal(cty.String),
		"exit_code":     nullNumber,
		"duration":      secondsValue(j.result.Duration),
		"attempt":       cty.NumberIntVal(int64(j.result.Attempt)),
		"local_port":    j.localPort(j.job),
		"bytes":         nullNumber,
		"sha256":        cty.NullVal(cty.String),
	}
	if t := j.result.Transfer; t != nil {
		attrs["bytes"], attrs["sha256"] = cty.NumberIntVal(t.Bytes), cty.StringVal(t.SHA256)
	}
	if j.step.uses.base64 && j.result.Stdout.whole() {
		attrs["stdout_base64"] = cty.StringVal(base64.StdEncoding.EncodeToString(j.result.Stdout.kept))
	}
	if j.result.ExitCode != nil {
		attrs["exit_code"] = cty.NumberIntVal(int64(*j.result.ExitCode))
	}
	if j.hasCaptures {
		attrs["captures"] = cty.ObjectVal(j.captured)
	}
	if j.step.Sensitive {
		for _, name := range []string{"stdout", "stderr", "stdout_base64"} {
			attrs[name] = attrs[name].Mark(hclspec.MarkSensitive)
		}
	}
	return cty.ObjectVal(attrs)
}

func (j *judgement) streamValue(name string, r *Recording) cty.Value {
	if j.step.uses.text[name] {
		if text, ok := r.text(); ok {
			return cty.StringVal(text)
		}
	}
	return cty.UnknownVal(cty.String)
}

// evaluate evaluates one expression of the step's judgement. It returns false
// when there is no value, which is then a problem.
func (j *judgement) evaluate(name string, expr hclspec.Expression, want cty.Type) (cty.Value, bool) {
	if !j.readable(expr) {
		return cty.NilVal, false
	}
	v, diags := evaluateAs(name, expr, j.scope(), want)
	j.problems.extend(diags)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if !v.IsWhollyKnown() {
		j.problems.errorf(expr.Range(), "Value not available", "%q needs a value that is not there.", name)
		return cty.NilVal, false
	}
	return v, true
}

// readable complains about streams that an expression names and that have no
// text.
func (j *judgement) readable(expr hclspec.Expression) bool {
	good := true
	for _, ref := range hclspec.References(expr) {
		if ref.Path[0] != "self" {
			continue
		}
		for stream, r := range map[string]*Recording{"stdout": j.result.Stdout, "stderr": j.result.Stderr} {
			if len(ref.Path) == 1 || ref.Path[1] == stream {
				good = j.readableText(ref.Range, stream, r) && good
			}
		}
		if len(ref.Path) > 1 && ref.Path[1] == "stdout_base64" && !j.result.Stdout.whole() {
			j.problems.errorf(ref.Range, "Output too long", "stdout has %d bytes, and self.stdout_base64 takes up to %d. Read the file in the run directory instead.", j.result.Stdout.bytes, wholeLimit)
			good = false
		}
	}
	return good
}

func (j *judgement) readableText(at hclspec.Range, stream string, r *Recording) bool {
	if _, ok := r.text(); ok {
		return true
	}
	if r.bytes > textLimit {
		j.problems.errorf(at, "Output too long", "%s has %d bytes, and self.%s is text of up to 1 MiB. Make the command write less, compare the stream in \"expect\", or use self.stdout_base64.", stream, r.bytes, stream)
		return false
	}
	j.problems.errorf(at, "Output is not text", "%s is not UTF-8, so self.%s has no value. Use self.stdout_base64, or make the command write text.", stream, stream)
	return false
}

func (j *judgement) assert(assertion *hclspec.Assertion) {
	j.condition("assert", assertion.Condition, assertion)
}

// condition checks that an expression is true.
func (j *judgement) condition(name string, expr hclspec.Expression, assertion *hclspec.Assertion) {
	v, ok := j.evaluate(name, expr, cty.Bool)
	if !ok {
		return
	}
	secret := isSecret(v)
	v = bare(v)
	if v.IsNull() {
		j.problems.errorf(expr.Range(), "Condition is null", "%q has to be true or false, and it is null: %s.", name, j.plan.eval.source(expr.Range()))
		return
	}
	e := Expectation{Name: name, Expected: j.plan.eval.source(expr.Range()), Got: "true", Passed: v.True(), Range: expr.Range()}
	if !e.Passed {
		e.Got = "false"
		if !secret && !j.step.Sensitive {
			e.Got += j.operands(expr)
		}
		if assertion != nil && assertion.ErrorMessage != nil {
			e.Message = viewer{j.scope()}.text(assertion.ErrorMessage)
		}
	}
	j.expectations = append(j.expectations, e)
}

// operands says what the names in a condition were, where that is short.
func (j *judgement) operands(expr hclspec.Expression) string {
	scope := j.scope()
	var said []string
	for _, name := range expr.Variables() {
		v, diags := name.TraverseAbs(scope)
		if diags.HasErrors() || isSecret(v) || !v.IsKnown() || !(v.IsNull() || v.Type().IsPrimitiveType()) {
			continue
		}
		text := j.plan.eval.source(name.SourceRange()) + " = " + shown(v)
		if !slices.Contains(said, text) && len(said) < 4 {
			said = append(said, text)
		}
	}
	if len(said) == 0 {
		return ""
	}
	return " (" + strings.Join(said, ", ") + ")"
}

func roundedTime(d time.Duration) string {
	if d > time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// exitText says how a command ended.
func exitText(r Result) string {
	switch {
	case r.ExitCode != nil && r.Signal != "":
		return fmt.Sprintf("%d (killed by %s)", *r.ExitCode, r.Signal)
	case r.ExitCode != nil:
		return strconv.Itoa(*r.ExitCode)
	case r.Signal != "":
		return "killed by " + r.Signal
	}
	return "no exit code"
}
