package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// literal is an expression with a fixed value.
type literal struct {
	hclspec.Expression
	value cty.Value
}

func (l literal) Value(*hclspec.Scope) (cty.Value, hclspec.Diagnostics) { return l.value, nil }
func (l literal) Range() hclspec.Range                                  { return hclspec.Range{} }

func literalTexts(texts []string) hclspec.Expression {
	values := make([]cty.Value, len(texts))
	for i, text := range texts {
		values[i] = cty.StringVal(text)
	}
	return literal{value: cty.TupleVal(values)}
}
