package hclspec

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What is written out can be checked before there are values: the words of a
// choice, durations. What is an expression is checked by whoever evaluates it.

// constant returns the text of an attribute that is written out.
func (b *body) constant(name string) (string, bool) {
	attr := b.attrs[name]
	if attr == nil {
		return "", false
	}
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (b *body) choice(name string, words ...string) {
	value, ok := b.constant(name)
	if !ok || slices.Contains(words, value) {
		return
	}
	b.d.complain(b.attrs[name].Expr.Range(), "Invalid value", "%q has to be %s.%s",
		name, quoted(words, "or"), didYouMean(value, words))
}

func (b *body) duration(name string) {
	value, ok := b.constant(name)
	if !ok {
		return
	}
	if d, err := time.ParseDuration(value); err != nil || d < 0 {
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid duration",
			"%q is no duration. Write a number with a unit, such as \"90s\", \"10m\" or \"1h30m\".", value)
	}
}

// references decodes a list of addresses such as [session.a, session.b].
func (b *body) references(name string) []Reference {
	attr := b.attrs[name]
	if attr == nil {
		return nil
	}
	elements, diags := hcl.ExprList(attr.Expr)
	if diags.HasErrors() {
		b.d.complain(attr.Expr.Range(), "Invalid dependency", "%q is a list of sessions, such as [session.first].", name)
		return nil
	}
	var refs []Reference
	for _, element := range elements {
		traversal, diags := hcl.AbsTraversalForExpr(element)
		ref := Reference{Range: element.Range()}
		if !diags.HasErrors() {
			ref.Path = referenceOf(traversal).Path
		}
		if len(ref.Path) != 2 || ref.Path[0] != "session" {
			b.d.complain(element.Range(), "Invalid dependency",
				"%q has the addresses of sessions, without quotes, such as session.first.", name)
			continue
		}
		refs = append(refs, ref)
	}
	return refs
}

// indexed splits `x[key]` when the key is not constant.
func indexed(expr hcl.Expression) (source, key hcl.Expression, ok bool) {
	switch expr := expr.(type) {
	case *hclsyntax.IndexExpr:
		return expr.Collection, expr.Key, true
	case *hclsyntax.ParenthesesExpr:
		return indexed(expr.Expression)
	}
	return nil, nil, false
}

func literalKey(index hcl.TraverseIndex) Expression {
	return &hclsyntax.LiteralValueExpr{Val: index.Key, SrcRange: index.SrcRange}
}

// inOrder returns attributes in the order of the source.
func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	list := make([]*hcl.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		list = append(list, attr)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int {
		return a.NameRange.Start.Byte - b.NameRange.Start.Byte
	})
	return list
}
