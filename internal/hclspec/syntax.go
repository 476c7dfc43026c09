package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// nativeSyntax returns expr in hcl's native syntax. JSON expressions are
// converted, strings becoming templates, so that there is one kind of
// expression from here on and JSON is bounded and checked like the rest.
func nativeSyntax(expr hcl.Expression) (hclsyntax.Expression, hcl.Diagnostics) {
	if syntax, ok := expr.(hclsyntax.Expression); ok {
		return syntax, nil
	}
	rng := expr.Range()
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		return nativeObject(pairs, rng)
	}
	if elements, diags := hcl.ExprList(expr); !diags.HasErrors() {
		tuple := &hclsyntax.TupleConsExpr{SrcRange: rng, OpenRange: rng}
		var all hcl.Diagnostics
		for _, element := range elements {
			syntax, diags := nativeSyntax(element)
			all = append(all, diags...)
			tuple.Exprs = append(tuple.Exprs, syntax)
		}
		return tuple, all
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: rng}, diags
	}
	if !v.IsNull() && v.Type() == cty.String {
		start := rng.Start
		start.Byte++ // the opening quote
		start.Column++
		return hclsyntax.ParseTemplate([]byte(v.AsString()), rng.Filename, start)
	}
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: rng}, nil
}

func nativeObject(pairs []hcl.KeyValuePair, rng hcl.Range) (hclsyntax.Expression, hcl.Diagnostics) {
	object := &hclsyntax.ObjectConsExpr{SrcRange: rng, OpenRange: rng}
	var all hcl.Diagnostics
	for _, pair := range pairs {
		key, diags := nativeSyntax(pair.Key)
		all = append(all, diags...)
		value, diags := nativeSyntax(pair.Value)
		all = append(all, diags...)
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{
			KeyExpr:   &hclsyntax.ObjectConsKeyExpr{Wrapped: key, ForceNonLiteral: true},
			ValueExpr: value,
		})
	}
	return object, all
}
