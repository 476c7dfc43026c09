package plan

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// evaluate returns the value of an expression, marks included, and
// cty.DynamicVal when there are errors. It never panics: what the expression
// libraries refuse with a panic is a diagnostic, and no diagnostic has the
// text of a sensitive value in it.
func evaluate(expr hclspec.Expression, scope *hclspec.Scope) (v cty.Value, diags hclspec.Diagnostics) {
	defer func() {
		if cause := recover(); cause != nil {
			v = cty.DynamicVal
			diags = hclspec.Diagnostics{mistake(expr.Range(), "Expression cannot be evaluated",
				"The evaluation of this expression broke off: %s. Write it in another way.", panicText(cause))}
		}
		if len(diags) > 0 {
			scrub(diags, expr, scope)
		}
	}()
	v, diags = expr.Value(scope)
	if diags.HasErrors() {
		v = cty.DynamicVal
	}
	return v, diags
}

// panicText says what a panic of the expression libraries was about, without
// values: only constant messages are passed on.
func panicText(cause any) string {
	if _, ok := cause.(error); ok {
		return "internal error"
	}
	return fmt.Sprintf("internal error (%T)", cause)
}

// evaluateAs is evaluate and a conversion to the type wanted.
func evaluateAs(name string, expr hclspec.Expression, scope *hclspec.Scope, want cty.Type) (cty.Value, hclspec.Diagnostics) {
	v, diags := evaluate(expr, scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	converted, err := convert.Convert(v, want)
	if err != nil {
		return cty.DynamicVal, append(diags, mistake(expr.Range(), "Value of the wrong type",
			"%q has to be %s: %s.", name, withArticle(want.FriendlyName()), err))
	}
	return converted, diags
}

func withArticle(noun string) string {
	switch noun[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + noun
	}
	return "a " + noun
}

// isSecret reports whether a value, or anything in it, is sensitive or
// ephemeral.
func isSecret(v cty.Value) bool { return v.ContainsMarked() }

// bare returns a value without marks, at any depth.
func bare(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	v, _ = v.UnmarkDeep()
	return v
}

// textOf returns a known, unmarked, primitive value as text.
func textOf(v cty.Value) (string, bool) {
	if v.IsNull() || !v.IsKnown() || !v.Type().IsPrimitiveType() {
		return "", false
	}
	if v.Type() == cty.String {
		return v.AsString(), true
	}
	if v.Type() == cty.Number {
		// Most numbers are small and whole, and cty's way is slow for those.
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact {
			return strconv.FormatInt(n, 10), true
		}
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		return "", false
	}
	return s.AsString(), true
}

// textsOf returns a known list, set, tuple or single value as texts, and false
// when something in it has no text.
func textsOf(v cty.Value) ([]string, bool) {
	if s, ok := textOf(v); ok {
		return []string{s}, true
	}
	if v.IsNull() || !v.IsKnown() || !isSequence(v.Type()) {
		return nil, false
	}
	texts := make([]string, 0, v.LengthInt())
	for _, element := range v.Elements() {
		s, ok := textOf(element)
		if !ok {
			return nil, false
		}
		texts = append(texts, s)
	}
	return texts, true
}

func isSequence(t cty.Type) bool { return t.IsListType() || t.IsSetType() || t.IsTupleType() }

func isMapping(t cty.Type) bool { return t.IsMapType() || t.IsObjectType() }
