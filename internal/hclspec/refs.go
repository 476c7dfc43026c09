package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// The severities of a Diagnostic.
const (
	SeverityError   = hcl.DiagError
	SeverityWarning = hcl.DiagWarning
)

// References returns the names that an expression refers to, in source order,
// repetitions included. A path has the root name, then attributes and constant
// index keys up to the first splat: `step.x["a"].captures.v` is [step x a
// captures v]. Where an index is an expression the path ends before it, and
// what that expression refers to follows. Names that the expression binds
// itself, such as those of `for`, are not references. A nil expression has
// none.
func References(expr Expression) []Reference {
	if expr == nil {
		return nil
	}
	traversals := expr.Variables()
	refs := make([]Reference, 0, len(traversals))
	for _, t := range traversals {
		refs = append(refs, referenceOf(t))
	}
	return refs
}

func referenceOf(t hcl.Traversal) Reference {
	ref := Reference{Path: []string{t.RootName()}, Range: t.SourceRange()}
	for _, part := range t[1:] {
		switch part := part.(type) {
		case hcl.TraverseAttr:
			ref.Path = append(ref.Path, part.Name)
		case hcl.TraverseIndex:
			key, ok := indexKey(part.Key)
			if !ok {
				return ref
			}
			ref.Path = append(ref.Path, key)
		default:
			return ref
		}
	}
	return ref
}

func indexKey(key cty.Value) (string, bool) {
	switch {
	case key.IsMarked() || !key.IsKnown() || key.IsNull():
		return "", false
	case key.Type() == cty.String:
		return key.AsString(), true
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('f', -1), true
	}
	return "", false
}

// TemplateParts returns the literal and interpolated parts of a template such
// as "a ${b} c", in order, and false when the expression is anything else.
// Joined as text, the values of the parts are the value of the template.
func TemplateParts(expr Expression) ([]Expression, bool) {
	for {
		switch e := unwrapped(expr).(type) {
		case *hclsyntax.ParenthesesExpr:
			expr = e.Expression
		case *hclsyntax.TemplateExpr:
			parts := make([]Expression, len(e.Parts))
			for i, part := range e.Parts {
				parts[i] = bounded{part}
			}
			return parts, true
		default:
			return nil, false
		}
	}
}

func unwrapped(expr Expression) Expression {
	if expr == nil {
		return nil
	}
	return hcl.UnwrapExpression(expr)
}

// ListElements returns the elements of a list the author wrote out, such as
// [a, b], and false when the expression is anything else.
func ListElements(expr Expression) ([]Expression, bool) {
	tuple, ok := unwrapped(expr).(*hclsyntax.TupleConsExpr)
	if !ok {
		return nil, false
	}
	elements := make([]Expression, len(tuple.Exprs))
	for i, element := range tuple.Exprs {
		elements[i] = bounded{element}
	}
	return elements, true
}

// MapEntry is one `key = value` of an object the author wrote out.
type MapEntry struct{ Key, Value Expression }

// MapEntries returns the entries of an object the author wrote out, such as
// { a = b }, and false when the expression is anything else.
func MapEntries(expr Expression) ([]MapEntry, bool) {
	object, ok := unwrapped(expr).(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil, false
	}
	entries := make([]MapEntry, len(object.Items))
	for i, item := range object.Items {
		entries[i] = MapEntry{Key: bounded{item.KeyExpr}, Value: bounded{item.ValueExpr}}
	}
	return entries, true
}
