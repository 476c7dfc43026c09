package hclspec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// conversionError explains why a value does not fit a type, and where in it.
func conversionError(err error) string {
	text := err.Error()
	var pathErr cty.PathError
	if errors.As(err, &pathErr) && len(pathErr.Path) > 0 {
		return fmt.Sprintf("%s: %s", pathText(pathErr.Path), strings.TrimSuffix(text, "."))
	}
	return strings.TrimSuffix(text, ".")
}

// pathText writes a path into a value as an expression would: .a["b"][0].
func pathText(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + step.Name)
		case cty.IndexStep:
			if step.Key.IsKnown() && !step.Key.IsMarked() && step.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", step.Key.AsString())
			} else if step.Key.IsKnown() && !step.Key.IsMarked() && step.Key.Type() == cty.Number {
				fmt.Fprintf(&b, "[%s]", step.Key.AsBigFloat().Text('f', -1))
			}
		}
	}
	return b.String()
}
