package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// clean makes what went wrong in an evaluation fit to be shown: no stack of a
// function that panicked, and no text of a sensitive value that expr refers to,
// which some of hcl's messages quote.
func clean(diags hcl.Diagnostics, expr hcl.Expression, scope *hcl.EvalContext) hcl.Diagnostics {
	if len(diags) == 0 {
		return diags
	}
	hide := strings.NewReplacer(hidden(expr, scope)...)
	for _, diag := range diags {
		if strings.Contains(diag.Detail, "panic in function implementation") {
			diag.Detail = "There is no result for these values."
		}
		diag.Summary, diag.Detail = hide.Replace(diag.Summary), hide.Replace(diag.Detail)
	}
	return diags
}

// hidden returns pairs of a sensitive text and what stands for it.
func hidden(expr hcl.Expression, scope *hcl.EvalContext) []string {
	var pairs []string
	for _, traversal := range expr.Variables() {
		v, diags := traversal.TraverseAbs(scope)
		if diags.HasErrors() || !IsSensitive(v) {
			continue
		}
		_ = cty.Walk(v, func(_ cty.Path, part cty.Value) (bool, error) {
			part, _ = part.Unmark()
			if textLike(part) && part.AsString() != "" {
				pairs = append(pairs, part.AsString(), "(sensitive value)")
			}
			return true, nil
		})
	}
	return pairs
}
