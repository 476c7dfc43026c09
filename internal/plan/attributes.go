package plan

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// attributes reads attributes that must be known at plan. An attribute that is
// absent or null has its default; one that is unknown, sensitive or of the
// wrong type is a problem, and has its default too.
type attributes struct {
	scope    *hclspec.Scope
	problems *problems
	// sensitiveOK allows sensitive values, whose marks are taken off.
	sensitiveOK bool
	// unknownOK makes an unknown value absent instead of a problem.
	unknownOK bool
}

// value returns an attribute converted to a type, without marks.
func (a attributes) value(name string, expr hclspec.Expression, want cty.Type) (cty.Value, bool) {
	if expr == nil {
		return cty.NilVal, false
	}
	v, diags := evaluateAs(name, expr, a.scope, want)
	a.problems.extend(diags)
	if diags.HasErrors() || !a.admit(name, expr, v) {
		return cty.NilVal, false
	}
	v = bare(v)
	return v, !v.IsNull()
}

// admit reports whether a value may be used at plan, and says why not.
func (a attributes) admit(name string, expr hclspec.Expression, v cty.Value) bool {
	if isSecret(v) && !a.sensitiveOK {
		a.problems.add(sensitiveIn(name, expr, a.scope))
		return false
	}
	if !v.IsWhollyKnown() {
		if !a.unknownOK {
			a.problems.add(unknownIn(name, expr, a.scope))
		}
		return false
	}
	return true
}

func (a attributes) text(name string, expr hclspec.Expression, otherwise string) string {
	v, ok := a.value(name, expr, cty.String)
	if !ok {
		return otherwise
	}
	return v.AsString()
}

func (a attributes) boolean(name string, expr hclspec.Expression, otherwise bool) bool {
	v, ok := a.value(name, expr, cty.Bool)
	if !ok {
		return otherwise
	}
	return v.True()
}

func (a attributes) number(name string, expr hclspec.Expression, otherwise, least float64) float64 {
	v, ok := a.value(name, expr, cty.Number)
	if !ok {
		return otherwise
	}
	f, _ := v.AsBigFloat().Float64()
	if f < least {
		a.problems.errorf(expr.Range(), "Number out of range", "%q has to be at least %g.", name, least)
		return otherwise
	}
	return f
}

// most is more than any sensible count: it keeps arithmetic on counts safe.
const most = 1_000_000

func (a attributes) whole(name string, expr hclspec.Expression, otherwise, least int) int {
	v, ok := a.value(name, expr, cty.Number)
	if !ok {
		return otherwise
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 || n < int64(least) || n > most {
		a.problems.errorf(expr.Range(), "Number out of range",
			"%q has to be a whole number from %d to %d.", name, least, most)
		return otherwise
	}
	return int(n)
}

func (a attributes) duration(name string, expr hclspec.Expression, otherwise time.Duration) time.Duration {
	v, ok := a.value(name, expr, cty.String)
	if !ok {
		return otherwise
	}
	d, err := parseDuration(v.AsString())
	if err != nil {
		a.problems.errorf(expr.Range(), "Bad length of time", "In %q, %s.", name, err)
		return otherwise
	}
	return d
}

// timeout is a duration that has to be longer than nothing.
func (a attributes) timeout(name string, expr hclspec.Expression, otherwise time.Duration) time.Duration {
	before := len(a.problems.list)
	d := a.duration(name, expr, -1)
	switch {
	case d == 0 && len(a.problems.list) == before:
		a.problems.errorf(expr.Range(), "Bad length of time",
			"%q has to be longer than 0. Leave it out to have no limit.", name)
		return otherwise
	case d < 0:
		return otherwise
	}
	return d
}

func (a attributes) oneOf(name string, expr hclspec.Expression, allowed ...string) string {
	text := a.text(name, expr, allowed[0])
	if !slices.Contains(allowed, text) {
		quoted := make([]string, len(allowed))
		for i, word := range allowed {
			quoted[i] = strconv.Quote(word)
		}
		a.problems.errorf(expr.Range(), "Unknown word", "%q is %q, and has to be one of %s.",
			name, clipText(text, 60), strings.Join(quoted, ", "))
		return allowed[0]
	}
	return text
}

// texts reads a list of strings, or one string.
func (a attributes) texts(name string, expr hclspec.Expression) []string {
	v, ok := a.value(name, expr, cty.DynamicPseudoType)
	if !ok {
		return nil
	}
	texts, ok := textsOf(v)
	if !ok {
		a.problems.errorf(expr.Range(), "Value of the wrong type", "%q has to be a list of strings, without null.", name)
	}
	return texts
}

// textLists reads an object whose values are strings or lists of strings.
func (a attributes) textLists(name string, expr hclspec.Expression) map[string][]string {
	v, ok := a.value(name, expr, cty.DynamicPseudoType)
	if !ok {
		return nil
	}
	if !isMapping(v.Type()) {
		a.problems.errorf(expr.Range(), "Value of the wrong type", "%q has to be an object.", name)
		return nil
	}
	lists := make(map[string][]string, v.LengthInt())
	for key, element := range v.Elements() {
		texts, ok := textsOf(element)
		if !ok {
			a.problems.errorf(expr.Range(), "Value of the wrong type",
				"%s in %q has to be a string or a list of strings, without null.", strconv.Quote(key.AsString()), name)
			continue
		}
		lists[key.AsString()] = texts
	}
	return lists
}

// sensitiveIn says that a sensitive value is where none may be.
func sensitiveIn(name string, expr hclspec.Expression, scope *hclspec.Scope) *hclspec.Diagnostic {
	return mistake(culprit(expr, scope, isSecret), "Sensitive value in "+name,
		"A sensitive value cannot be used in %q: it would be shown in the plan, or kept by AWS. "+
			"On the target, pass it by \"stdin\" or \"env\" of a step.", name)
}

// unknownIn says that a value must be known at plan and is not, and why.
func unknownIn(name string, expr hclspec.Expression, scope *hclspec.Scope) *hclspec.Diagnostic {
	at := culprit(expr, scope, func(v cty.Value) bool { return !v.IsWhollyKnown() })
	return mistake(at, "Value not known at plan",
		"%q has to be known when the plan is made, and this is %s. Use variables, locals or literals.", name, whenKnown(expr))
}

// whenKnown says when the names of an expression are known.
func whenKnown(expr hclspec.Expression) string {
	for _, ref := range hclspec.References(expr) {
		switch ref.Path[0] {
		case "step", "self", "job":
			return "known after a step"
		case "session":
			return "known after a session"
		case "run":
			return "known when the run starts"
		case "targets", "target":
			return "known once the targets are found"
		}
	}
	return "known later"
}

// culprit returns the range of the smallest part of an expression whose value
// is as described.
func culprit(expr hclspec.Expression, scope *hclspec.Scope, guilty func(cty.Value) bool) hclspec.Range {
	parts, ok := hclspec.TemplateParts(expr)
	if !ok {
		parts, ok = hclspec.ListElements(expr)
	}
	if !ok {
		entries, _ := hclspec.MapEntries(expr)
		for _, entry := range entries {
			parts = append(parts, entry.Key, entry.Value)
		}
	}
	for _, part := range parts {
		if v, diags := evaluate(part, scope); !diags.HasErrors() && guilty(v) {
			return culprit(part, scope, guilty)
		}
	}
	return expr.Range()
}
