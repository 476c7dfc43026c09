package hclspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// values lists what the names of the expression stood for, in the manner of
// Terraform. What is marked, in whole or in part, is left out.
func (p *printer) values(diag *hcl.Diagnostic) {
	if diag.Expression == nil || diag.EvalContext == nil {
		return
	}
	var statements []string
	for _, traversal := range diag.Expression.Variables() {
		v, diags := traversal.TraverseAbs(diag.EvalContext)
		if diags.HasErrors() || v.ContainsMarked() || !v.IsKnown() {
			continue
		}
		statements = append(statements, visible(traversalText(traversal)+" "+valueText(v)))
	}
	slices.Sort(statements)
	statements = slices.Compact(statements)
	if len(statements) == 0 {
		return
	}
	const box = "    "
	p.line("%s%s", box, "├────────────────")
	for _, statement := range statements {
		p.line("%s│ %s", box, statement)
	}
}

func traversalText(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, part := range traversal {
		switch part := part.(type) {
		case hcl.TraverseRoot:
			b.WriteString(part.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + part.Name)
		case hcl.TraverseIndex:
			key, ok := indexKey(part.Key)
			switch {
			case !ok:
				b.WriteString("[…]")
			case part.Key.Type() == cty.String:
				fmt.Fprintf(&b, "[%q]", key)
			default:
				b.WriteString("[" + key + "]")
			}
		}
	}
	return b.String()
}

// valueText says what a value is, briefly.
func valueText(v cty.Value) string {
	ty := v.Type()
	switch {
	case v.IsNull():
		return "is null"
	case ty == cty.Bool:
		return fmt.Sprintf("is %t", v.True())
	case ty == cty.Number:
		return "is " + v.AsBigFloat().Text('g', 15)
	case ty == cty.String:
		text := []rune(v.AsString())
		if len(text) > maxShownValue {
			return fmt.Sprintf("is %q and %d more characters", string(text[:maxShownValue]), len(text)-maxShownValue)
		}
		return fmt.Sprintf("is %q", string(text))
	case ty.IsObjectType():
		return fmt.Sprintf("is an object with %d attributes", len(ty.AttributeTypes()))
	case ty.IsCollectionType() || ty.IsTupleType():
		return fmt.Sprintf("is %s with %d elements", ty.FriendlyName(), v.LengthInt())
	}
	return "is " + ty.FriendlyName()
}
