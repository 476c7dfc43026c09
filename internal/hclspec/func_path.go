package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// alongPath follows a traversal from the value of its root as far as it goes
// and returns the value there: its marks are those of the deepest part that
// exists.
func alongPath(v cty.Value, traversal hcl.Traversal) cty.Value {
	for _, part := range traversal[1:] {
		next, diags := hcl.Traversal{part}.TraverseRel(v)
		if diags.HasErrors() {
			return v
		}
		v = next
	}
	return v
}
