package hclspec

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// template is a parsed template and its name for messages.
type template struct {
	name string
	expr Expression
}

func parseTemplate(name, text string) (*template, error) {
	if diags := prescanTemplate(name, []byte(text)); diags.HasErrors() {
		return nil, diags
	}
	syntax, diags := hclsyntax.ParseTemplate([]byte(text), name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return &template{name, bound(syntax)}, nil
}

// render evaluates the template with nothing but vars, a map or an object.
func (t *template) render(vars cty.Value, functions map[string]function.Function) (cty.Value, error) {
	plain, marks := vars.Unmark()
	scope := &Scope{Variables: map[string]cty.Value{}, Functions: functions}
	for it := plain.ElementIterator(); it.Next(); {
		key, v := it.Element()
		name := key.AsString()
		if !hclsyntax.ValidIdentifier(name) {
			return cty.DynamicVal, function.NewArgErrorf(1,
				"invalid template variable name %q: must start with a letter, followed by zero or more letters, digits, and underscores", name)
		}
		scope.Variables[name] = v
	}
	for _, traversal := range t.expr.Variables() {
		if root := traversal.RootName(); scope.Variables[root] == cty.NilVal {
			return cty.DynamicVal, function.NewArgErrorf(1,
				"vars map does not contain key %q, referenced at %s", root, traversal[0].SourceRange())
		}
	}
	v, diags := t.expr.Value(scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v.WithMarks(marks), nil
}

// withoutTemplates is what a template can call: all functions but the two that
// render one, for a template that renders itself would never end.
func withoutTemplates(table map[string]function.Function) map[string]function.Function {
	inner := make(map[string]function.Function, 2*len(table)+4)
	for name, fn := range table {
		inner[name], inner["core::"+name] = fn, fn
	}
	for _, name := range []string{"templatefile", "templatestring"} {
		refusal := fmt.Errorf("cannot recursively call %s from inside another template function", name)
		fn := function.New(&function.Spec{
			VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowNull: true},
			Type:     func([]cty.Value) (cty.Type, error) { return cty.NilType, refusal },
			Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, refusal },
		})
		inner[name], inner["core::"+name] = fn, fn
	}
	return inner
}

// templateFunc makes a function that finds a template by its first argument and
// renders it with its second.
func templateFunc(first function.Parameter, find func(arg cty.Value) (*template, cty.ValueMarks, error), functions map[string]function.Function) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		t, marks, err := find(args[0])
		if err != nil {
			if len(marks) > 0 {
				err = errors.New("cannot use this template: it is sensitive, so the reason is not shown")
			}
			return cty.DynamicVal, function.NewArgError(0, err)
		}
		if t == nil || !args[1].IsKnown() {
			return cty.DynamicVal, nil
		}
		if ty := args[1].Type(); !ty.IsMapType() && !ty.IsObjectType() {
			return cty.DynamicVal, function.NewArgErrorf(1, "invalid vars value: must be a map")
		}
		v, err := t.render(args[1], functions)
		if err != nil {
			return cty.DynamicVal, err
		}
		return v.WithMarks(marks), nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{first, {Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := render(args)
			return v.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}

// templateFile renders the template in a file.
func templateFile(files *Snapshot, functions map[string]function.Function) function.Function {
	path := function.Parameter{Name: "path", Type: cty.String, AllowMarked: true}
	return templateFunc(path, func(arg cty.Value) (*template, cty.ValueMarks, error) {
		path, marks := arg.Unmark()
		if files == nil || !path.IsKnown() {
			return nil, marks, nil
		}
		content, err := files.Read(path.AsString())
		if err != nil {
			return nil, marks, err
		}
		if len(content) > maxFileSize {
			return nil, marks, fmt.Errorf("%q is larger than %d MiB", path.AsString(), maxFileSize>>20)
		}
		text, err := utf8Text(path.AsString(), content)
		if err != nil {
			return nil, marks, err
		}
		t, err := parseTemplate(path.AsString(), text)
		return t, marks, err
	}, functions)
}

// templateString renders a template that a name refers to. A template that is
// written out needs no call.
func templateString(functions map[string]function.Function) function.Function {
	reference := function.Parameter{Name: "template", Type: customdecode.ExpressionClosureType}
	return templateFunc(reference, func(arg cty.Value) (*template, cty.ValueMarks, error) {
		closure := customdecode.ExpressionClosureFromVal(arg)
		switch unwrapped(closure.Expression).(type) {
		case *hclsyntax.ScopeTraversalExpr, *hclsyntax.IndexExpr:
		default:
			return nil, nil, errors.New("invalid template expression: must be a direct reference to a single string from elsewhere, such as local.template")
		}
		v, diags := closure.Value()
		if diags.HasErrors() {
			return nil, nil, diags
		}
		text, marks := v.Unmark()
		switch {
		case !text.IsKnown():
			return nil, marks, nil
		case text.IsNull() || text.Type() != cty.String:
			return nil, marks, errors.New("invalid template value: a string is required")
		}
		t, err := parseTemplate("template", text.AsString())
		return t, marks, err
	}, functions)
}
