package hclspec

import (
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/ssmrun/ssmrun/internal/quote"
)

// pureText makes a function of text to text that never returns null.
func textFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

// testFunc makes a predicate of two texts.
func testFunc(second string, f func(s, x string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "str", Type: cty.String, AllowUnknown: true},
			{Name: second, Type: cty.String},
		},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsKnown() {
				// A template such as "i-${x}" is known to begin with "i-".
				prefix := args[0].Range().StringPrefix()
				if second == "prefix" && f(prefix, args[1].AsString()) {
					return cty.True, nil
				}
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var (
	startsWithFunc  = testFunc("prefix", strings.HasPrefix)
	endsWithFunc    = testFunc("suffix", strings.HasSuffix)
	strContainsFunc = testFunc("substr", strings.Contains)
)

// replaceFunc takes a regular expression between slashes, too.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "str", Type: cty.String},
		{Name: "substr", Type: cty.String},
		{Name: "replace", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, old, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(s) > 0 && (len(s)+1)*(len(with)+1) > maxText {
			if n := replacements(s, old); len(s)+n*len(with) > maxText {
				return cty.UnknownVal(cty.String), errTooLarge
			}
		}
		if len(old) > 1 && strings.HasPrefix(old, "/") && strings.HasSuffix(old, "/") {
			re, err := regexp.Compile(old[1 : len(old)-1])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			if strings.Contains(with, "$") && len(s)*(strings.Count(with, "$")+1) > maxText {
				return cty.UnknownVal(cty.String), errTooLarge
			}
			return cty.StringVal(re.ReplaceAllString(s, with)), nil
		}
		return cty.StringVal(strings.ReplaceAll(s, old, with)), nil
	},
})

// replacements is the most times that old can be in s.
func replacements(s, old string) int {
	if strings.HasPrefix(old, "/") {
		return len(s) + 1
	}
	return strings.Count(s, old)
}

// lengthFunc counts characters, too, as people see them.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType,
		AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsTupleType() || ty.IsObjectType() || ty.IsCollectionType() {
			return cty.Number, nil
		}
		return cty.Number, function.NewArgErrorf(0, "argument must be a string, a collection type, or a structural type")
	},
	RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder {
		return b.NotNull().NumberRangeLowerBound(cty.Zero, true)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		ty := v.Type()
		var n cty.Value
		switch {
		case ty == cty.DynamicPseudoType:
			n = cty.UnknownVal(cty.Number)
		case ty.IsTupleType():
			n = cty.NumberIntVal(int64(len(ty.TupleElementTypes())))
		case ty.IsObjectType():
			n = cty.NumberIntVal(int64(len(ty.AttributeTypes())))
		case ty == cty.String:
			var err error
			if n, err = stdlib.Strlen(v); err != nil {
				return cty.UnknownVal(cty.Number), err
			}
		default:
			n = v.Length()
		}
		return n.WithMarks(marks), nil
	},
})

// quoteFunc quotes a text, or each of a list of texts, for a shell.
func quoteFunc(one func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			words, err := texts(args[0])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			for i, word := range words {
				if words[i], err = one(word); err != nil {
					return cty.UnknownVal(cty.String), function.NewArgError(0, err)
				}
			}
			return cty.StringVal(strings.Join(words, " ")), nil
		},
	})
}

var (
	shellQuoteFunc      = quoteFunc(quote.Sh)
	powerShellQuoteFunc = quoteFunc(quote.PowerShell)
)

// texts returns a text, or the texts of a list.
func texts(v cty.Value) ([]string, error) {
	if converted, err := stdlib.MakeToFunc(cty.String).Call([]cty.Value{v}); err == nil && textLike(converted) {
		return []string{converted.AsString()}, nil
	}
	list, err := stdlib.MakeToFunc(cty.List(cty.String)).Call([]cty.Value{v})
	if err != nil || !list.IsWhollyKnown() {
		return nil, function.NewArgErrorf(0, "string or list of strings required")
	}
	var words []string
	for it := list.ElementIterator(); it.Next(); {
		_, word := it.Element()
		if word.IsNull() {
			return nil, function.NewArgErrorf(0, "the list has a null value")
		}
		words = append(words, word.AsString())
	}
	return words, nil
}
