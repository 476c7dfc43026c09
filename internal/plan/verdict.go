package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// expect checks the exit code, the streams and the time, in source order.
func (j *judgement) expect() {
	j.prompts()
	decl := j.step.decl.Expect
	type line struct {
		at    int
		check func()
	}
	var lines []line
	add := func(at hclspec.Range, check func()) { lines = append(lines, line{at.Start.Byte, check}) }
	switch {
	case decl != nil && decl.ExitCode != nil:
		add(decl.ExitCode.Range(), func() { j.exitCode(decl.ExitCode) })
	case j.step.Action.hasCommand(), j.step.Action == ActionDocument && j.result.ExitCode != nil:
		lines = append(lines, line{-1, func() { j.exitCodes([]int64{0}, j.step.Range) }})
	}
	for _, test := range streamTests(j.step.decl) {
		add(test.attr.Range, func() { j.stream(test) })
	}
	if decl != nil && decl.Within != nil {
		add(decl.Within.Range(), func() { j.within(decl.Within) })
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	for _, l := range lines {
		l.check()
	}
}

func (j *judgement) exitCode(expr hclspec.Expression) {
	v, ok := j.evaluate("exit_code", expr, cty.DynamicPseudoType)
	if !ok {
		return
	}
	codes, any, err := exitCodes(v, wideCodes(j.job, j.step))
	switch {
	case isSecret(v):
		j.problems.add(sensitiveIn("exit_code", expr, j.scope()))
	case err != nil:
		j.problems.errorf(expr.Range(), "Bad exit_code", "%s.", err)
	case any:
		j.expectations = append(j.expectations, Expectation{
			Name: "exit_code", Expected: "any", Got: exitText(j.result), Range: expr.Range(),
			Passed: j.result.ExitCode != nil || j.step.Action == ActionDocument,
		})
	default:
		j.exitCodes(codes, expr.Range())
	}
}

// wideCodes reports whether a step's exit code may be more than a byte, as it may
// on Windows, which this machine may run.
func wideCodes(job *Job, step *Step) bool {
	return job.Target.Platform == "Windows" || step.Action == ActionLocalCommand
}

// exitCodes reads what exit codes are accepted: a number, a list, or "any". One
// that no command can have is an error.
func exitCodes(v cty.Value, wide bool) (codes []int64, any bool, err error) {
	texts, ok := textsOf(v)
	if ok && v.Type() == cty.String && texts[0] == "any" {
		return nil, true, nil
	}
	for _, text := range texts {
		n, parseErr := strconv.ParseInt(text, 10, 64)
		if parseErr != nil {
			ok = false
			break
		}
		switch {
		case wide && (n < math.MinInt32 || n > math.MaxUint32):
			return nil, false, fmt.Errorf("no command exits with %d: an exit code of Windows has 32 bits", n)
		case !wide && (n < 0 || n > 255):
			return nil, false, fmt.Errorf("no command exits with %d: an exit code is from 0 to 255, and 128 + N after signal N", n)
		}
		codes = append(codes, n)
	}
	if !ok || len(codes) == 0 {
		return nil, false, fmt.Errorf("\"exit_code\" is a whole number, a list of them, or \"any\", and not %s", badCodes(v, texts))
	}
	return codes, false, nil
}

// badCodes shows what is no exit code: of a list, the numbers.
func badCodes(v cty.Value, texts []string) string {
	if len(texts) > 1 {
		return "[" + clipText(strings.Join(texts, ", "), 80) + "]"
	}
	return shown(v)
}

func (j *judgement) exitCodes(codes []int64, at hclspec.Range) {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = strconv.FormatInt(code, 10)
	}
	expected := texts[len(texts)-1]
	if rest := texts[:len(texts)-1]; len(rest) > 0 {
		expected = strings.Join(rest, ", ") + " or " + expected
	}
	j.expectations = append(j.expectations, Expectation{
		Name: "exit_code", Expected: expected, Got: exitText(j.result), Range: at,
		Passed: j.result.ExitCode != nil && slices.Contains(codes, int64(*j.result.ExitCode)),
	})
}

func (j *judgement) stream(test streamTest) {
	v, ok := j.evaluate(test.attr.Name, test.attr.Expr, cty.DynamicPseudoType)
	if !ok {
		return
	}
	w, err := test.wants(v)
	if err != nil {
		j.problems.errorf(test.attr.Expr.Range(), "Bad expectation", "%s.", j.hushed(v, err))
		return
	}
	r := j.result.Stdout
	if test.stream == "stderr" {
		r = j.result.Stderr
	}
	f := test.look(r, w)
	if f.err != nil {
		j.problems.errorf(test.attr.Range, "Expectation cannot be decided", "%s.", j.hushed(v, f.err))
		return
	}
	e := Expectation{Name: test.name(), Expected: test.expected(w), Got: f.got, Passed: f.holds != test.negated, Range: test.attr.Range}
	if isSecret(v) {
		e.Expected = masked
	}
	if j.step.Sensitive || (isSecret(v) && !e.Passed) {
		e.Got = fmt.Sprintf("(sensitive output, %s)", plural(r.bytes, "byte"))
	}
	j.expectations = append(j.expectations, e)
}

// hushed leaves the text of a sensitive value out of a complaint about it.
func (j *judgement) hushed(v cty.Value, err error) string {
	if !isSecret(v) {
		return err.Error()
	}
	return "its value, which is sensitive, does not fit or cannot be compared with this output"
}

func (j *judgement) within(expr hclspec.Expression) {
	v, ok := j.evaluate("within", expr, cty.String)
	if !ok || v.IsNull() {
		return
	}
	if isSecret(v) {
		j.problems.add(sensitiveIn("within", expr, j.scope()))
		return
	}
	limit, err := parseDuration(v.AsString())
	if err != nil {
		j.problems.errorf(expr.Range(), "Bad length of time", "In \"within\", %s.", err)
		return
	}
	j.expectations = append(j.expectations, Expectation{
		Name: "within", Expected: limit.String(), Got: roundedTime(j.result.Duration),
		Passed: j.result.Duration <= limit, Range: expr.Range(),
	})
}

// capture takes the captures, all or none.
func (j *judgement) capture() {
	values := map[string]cty.Value{}
	encoded := map[string]Value{}
	for _, capture := range j.step.decl.Captures {
		v, ok := j.evaluate("captures."+capture.Name, capture.Expr, cty.DynamicPseudoType)
		if !ok {
			continue
		}
		if j.step.Sensitive {
			v = v.Mark(hclspec.MarkSensitive)
		}
		value, err := encodeValue(v)
		switch {
		case err != nil:
			j.problems.errorf(capture.Range, "Capture cannot be kept", "The capture %q: %s.", capture.Name, err)
			continue
		case len(value.Value) > maxCapture:
			j.problems.errorf(capture.Range, "Capture too large", "The capture %q has %d bytes, and at most %d are kept. Capture the part that is needed.", capture.Name, len(value.Value), maxCapture)
			continue
		}
		j.secrets.in(v)
		values[capture.Name], encoded[capture.Name] = v, value
	}
	if j.problems.hasErrors() {
		return
	}
	j.captured, j.captures, j.hasCaptures = values, encoded, true
	j.names = nil // self has captures now
}
