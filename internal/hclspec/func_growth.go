package hclspec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// growth returns the number of bytes or elements that a call would make, as
// far as it can be said from arguments that are known and without marks.
type growth func(args []cty.Value) (int, error)

var errTooLarge = fmt.Errorf("the result would be larger than %d MiB or %d elements", maxText>>20, maxElements)

// growing is fn, but for calls whose arguments or result are too large. The
// arguments are looked at before the call: a list that is there a thousand
// times costs nothing until it is copied.
func growing(fn function.Function, result growth) function.Function {
	return around(fn, func(args []cty.Value) error { return checkCall(args, result) })
}

// discreet is fn, but for its errors, which do not tell a sensitive argument
// and are messages for people also where the implementation panics.
func discreet(fn function.Function) function.Function {
	return around(fn, nil)
}

// around calls fn after check.
func around(fn function.Function, check func(args []cty.Value) error) function.Function {
	spec := &function.Spec{
		Description: fn.Description(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if check != nil {
				if err := check(args); err != nil {
					return cty.NilType, err
				}
			}
			ty, err := fn.ReturnTypeForValues(args)
			return ty, explain(err, args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := fn.Call(args)
			return v, explain(err, args)
		},
	}
	for _, p := range fn.Params() {
		spec.Params = append(spec.Params, passing(p))
	}
	if p := fn.VarParam(); p != nil {
		param := passing(*p)
		spec.VarParam = &param
	}
	return function.New(spec)
}

func explain(err error, args []cty.Value) error {
	var panicked function.PanicError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &panicked):
		return errors.New("there is no result for these arguments")
	case slices.ContainsFunc(args, IsSensitive):
		return errors.New("an argument is sensitive, so the reason is not shown")
	}
	return err
}

// passing is p without checks of its own: the inner function makes them.
func passing(p function.Parameter) function.Parameter {
	p.AllowNull, p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true, true
	return p
}

func checkCall(args []cty.Value, result growth) error {
	plain := make([]cty.Value, len(args))
	known := true
	for i, arg := range args {
		if err := checkValue(arg); err != nil {
			return function.NewArgErrorf(i, "this value %s", err)
		}
		plain[i], _ = arg.UnmarkDeep()
		known = known && plain[i].IsWhollyKnown() && !plain[i].IsNull()
	}
	if result == nil || !known {
		return nil
	}
	n, err := result(plain)
	if err == nil && n > maxText {
		err = errTooLarge
	}
	return err
}

// joinGrowth is the length of join(separator, lists...).
func joinGrowth(args []cty.Value) (int, error) {
	if args[0].Type() != cty.String {
		return 0, nil
	}
	n, elements := 0, 0
	for _, list := range args[1:] {
		if !list.CanIterateElements() {
			return 0, nil
		}
		for it := list.ElementIterator(); it.Next(); {
			_, element := it.Element()
			if elements++; textLike(element) {
				n += len(element.AsString())
			}
		}
	}
	return n + elements*len(args[0].AsString()), nil
}

func indentGrowth(args []cty.Value) (int, error) {
	if args[0].Type() != cty.Number || args[1].Type() != cty.String {
		return 0, nil
	}
	spaces, _ := args[0].AsBigFloat().Int64()
	if spaces > maxText {
		return 0, errTooLarge
	}
	text := args[1].AsString()
	return len(text) + int(spaces)*strings.Count(text, "\n"), nil
}

// productGrowth is the number of elements of setproduct, which are tuples.
func productGrowth(args []cty.Value) (int, error) {
	n := 1
	for _, arg := range args {
		if !arg.CanIterateElements() {
			return 0, nil
		}
		if n *= arg.LengthInt(); n > maxElements {
			return 0, errTooLarge
		}
	}
	return n, nil
}

var formatVerb = regexp.MustCompile(`%[-+ #0]*(\d*|\[\d+\]\*?|\*)(?:\.(\d*))?`)

// formatWidths refuses widths and precisions that nothing is that wide for.
func formatWidths(args []cty.Value) (int, error) {
	if len(args) == 0 || args[0].Type() != cty.String {
		return 0, nil
	}
	const widest = 10_000
	n := len(args[0].AsString())
	for _, m := range formatVerb.FindAllStringSubmatch(args[0].AsString(), -1) {
		for _, digits := range m[1:] {
			if len(digits) > 5 || len(digits) == 5 && digits > "10000" {
				return 0, function.NewArgErrorf(0, "a width or precision may be at most %d", widest)
			}
		}
		n += 64
	}
	return n, nil
}

var yamlAlias = regexp.MustCompile(`(?m)(?:^|[\s\[{,:-])\*[^\s,\]}]+`)

// yamlGrowth bounds aliases, which can make a page of YAML into gigabytes, and
// the depth of the document.
func yamlGrowth(args []cty.Value) (int, error) {
	const maxAliases = 32
	if args[0].Type() != cty.String {
		return 0, nil
	}
	text := args[0].AsString()
	if len(yamlAlias.FindAllString(text, maxAliases+1)) > maxAliases {
		return 0, function.NewArgErrorf(0, "the document has more than %d aliases", maxAliases)
	}
	open, indent := 0, 0
	for _, line := range strings.Split(text, "\n") {
		indent = max(indent, len(line)-len(strings.TrimLeft(line, " -?:")))
		open += strings.Count(line, "[") + strings.Count(line, "{")
	}
	if open > maxYAMLFlow || indent > 2*maxDepth {
		return 0, function.NewArgErrorf(0, "the document is nested too deeply")
	}
	return len(text), nil
}

// maxYAMLFlow bounds the brackets of a YAML document, of which each may open
// inside the one before.
const maxYAMLFlow = 10_000

// jsonDepth refuses documents that would overflow the decoder's stack.
func jsonDepth(text string) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += jsonString([]byte(text[i:min(len(text), i+1<<20)])) - 1
		case '[', '{':
			if depth++; depth > maxDepth {
				return errors.New("the document is nested too deeply")
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}
