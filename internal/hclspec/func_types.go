package hclspec

import (
	"time"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// conversionFunc makes a conversion such as tostring. Its errors do not show a
// sensitive value.
func conversionFunc(want cty.Type) function.Function {
	phrase := want.FriendlyNameForConstraint()
	fail := func(v cty.Value, err error) error {
		ty := v.Type()
		switch {
		case IsSensitive(v) && ty == cty.String && want == cty.Bool:
			return function.NewArgErrorf(0, "cannot convert this sensitive string to bool; only the strings \"true\" or \"false\" are allowed")
		case IsSensitive(v) && ty == cty.String && want == cty.Number:
			return function.NewArgErrorf(0, "cannot convert this sensitive string to number; given string must be a decimal representation of a number")
		case textLike(v) && want == cty.Bool:
			return function.NewArgErrorf(0, "cannot convert %q to bool; only the strings \"true\" or \"false\" are allowed", v.AsString())
		case textLike(v) && want == cty.Number:
			return function.NewArgErrorf(0, "cannot convert %q to number; given string must be a decimal representation of a number", v.AsString())
		}
		if got := ty.FriendlyName(); got != phrase && err == nil {
			return function.NewArgErrorf(0, "cannot convert %s to %s", got, phrase)
		}
		if err == nil {
			return function.NewArgErrorf(0, "invalid value for %s", phrase)
		}
		return function.NewArgErrorf(0, "cannot convert %s to %s: %s", ty.FriendlyName(), phrase, conversionError(err))
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "v", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowMarked: true, AllowDynamicType: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) {
			got := args[0].Type()
			if got.Equals(want) {
				return want, nil
			}
			if conversion := convert.GetConversionUnsafe(got, want); conversion == nil {
				if structural(got) && structural(want) {
					_, err := convert.Convert(cty.UnknownVal(got), want)
					return cty.NilType, fail(args[0], err)
				}
				return cty.NilType, fail(args[0], nil)
			}
			return want, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := convert.Convert(args[0], want)
			if err != nil {
				plain := args[0]
				if !IsSensitive(plain) {
					plain, _ = plain.Unmark()
				}
				return cty.NilVal, fail(plain, err)
			}
			return v, nil
		},
	})
}

func structural(ty cty.Type) bool {
	return ty.IsObjectType() || ty.IsTupleType() || ty.IsCollectionType()
}

// A call of try or can is a question about a value, so the answer is as secret
// as what was asked about: one bit at a time is a leak, too.

var canFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "expression", Type: customdecode.ExpressionClosureType}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, err := tryfunc.CanFunc.Call(args)
		if err != nil {
			return v, err
		}
		return v.WithMarks(closureMarks(args)), nil
	},
})

var tryFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "expressions", Type: customdecode.ExpressionClosureType},
	Type: func(args []cty.Value) (cty.Type, error) {
		return tryfunc.TryFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, err := tryfunc.TryFunc.Call(args)
		if err != nil {
			return v, err
		}
		return v.WithMarks(failedMarks(args)), nil
	},
})

// closureMarks returns the marks of everything that closures refer to.
func closureMarks(closures []cty.Value) cty.ValueMarks {
	all := cty.ValueMarks{}
	for _, arg := range closures {
		closure := customdecode.ExpressionClosureFromVal(arg)
		for _, traversal := range closure.Expression.Variables() {
			v, diags := traversal.TraverseAbs(closure.EvalContext)
			if diags.HasErrors() && closure.EvalContext != nil {
				// The part that is there decides what the failure tells.
				v, diags = traversal[:1].TraverseAbs(closure.EvalContext)
				if !diags.HasErrors() {
					v = alongPath(v, traversal)
				}
			}
			if diags.HasErrors() || v == cty.NilVal {
				continue
			}
			_, marks := v.UnmarkDeep()
			for mark := range marks {
				all[mark] = struct{}{}
			}
		}
	}
	return all
}

// failedMarks returns the marks of the arguments of try that failed: the result
// tells that they did.
func failedMarks(closures []cty.Value) cty.ValueMarks {
	for i, arg := range closures {
		closure := customdecode.ExpressionClosureFromVal(arg)
		if _, diags := closure.Value(); !diags.HasErrors() {
			return closureMarks(closures[:i])
		}
	}
	return nil
}

var sensitiveFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   sameType,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return args[0].Mark(MarkSensitive), nil
	},
})

// nonSensitiveFunc takes the mark of sensitivity away. An ephemeral value stays
// sensitive, because it must not be stored.
var nonSensitiveFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   sameType,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		if _, ephemeral := marks[MarkEphemeral]; !ephemeral {
			delete(marks, MarkSensitive)
		}
		return v.WithMarks(marks), nil
	},
})

var isSensitiveFunc = function.New(&function.Spec{
	Params:       []function.Parameter{anything},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch v := args[0]; {
		case v.HasMark(MarkSensitive), v.HasMark(MarkEphemeral):
			return cty.True, nil
		case !v.IsKnown():
			return cty.UnknownVal(cty.Bool), nil // it may come to be marked
		}
		return cty.False, nil
	},
})

// ephemeralAsNullFunc replaces what is ephemeral by null.
var ephemeralAsNullFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   sameType,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.Transform(args[0], func(_ cty.Path, v cty.Value) (cty.Value, error) {
			plain, marks := v.Unmark()
			if _, ephemeral := marks[MarkEphemeral]; !ephemeral {
				return v, nil
			}
			return cty.NullVal(plain.Type()), nil
		})
	},
})

var anything = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType,
	AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
}

func sameType(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

// timeCompareFunc orders two RFC 3339 times.
var timeCompareFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "timestamp_a", Type: cty.String},
		{Name: "timestamp_b", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i, arg := range args {
			t, err := time.Parse(time.RFC3339, arg.AsString())
			if err != nil {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(i, "not a valid RFC3339 timestamp, such as 2006-01-02T15:04:05Z")
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	},
})
