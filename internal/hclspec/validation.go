package hclspec

import (
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// validate tries the validation blocks of all variables.
func validate(rb *Runbook, values map[string]cty.Value) hcl.Diagnostics {
	scope := &Scope{
		Variables: map[string]cty.Value{
			"var":  cty.ObjectVal(maps.Clone(values)),
			"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal("."), "root": cty.StringVal(".")}),
		},
		Functions: Functions(FunctionOptions{Files: NewSnapshot(rb.Dir)}),
	}
	var diags hcl.Diagnostics
	locals := &lazyLocals{rb: rb, scope: scope, values: map[string]cty.Value{}}
	for _, v := range rb.Variables {
		for _, rule := range v.Validations {
			diags = append(diags, validateRule(v, rule, locals)...)
		}
	}
	return diags
}

func validateRule(v *Variable, rule *Assertion, locals *lazyLocals) hcl.Diagnostics {
	scope, diags := locals.scopeFor(rule.Condition, rule.ErrorMessage)
	if diags.HasErrors() {
		return diags
	}
	result, diags := rule.Condition.Value(scope)
	if diags.HasErrors() {
		return diags
	}
	plain, _ := result.Unmark()
	if !plain.IsKnown() {
		return nil
	}
	plain, err := convert.Convert(plain, cty.Bool)
	if err != nil || plain.IsNull() {
		return hcl.Diagnostics{complaint(rule.Condition.Range(), "Invalid condition", "A condition has to be true or false.")}
	}
	if plain.True() {
		return nil
	}
	return hcl.Diagnostics{{
		Severity:    hcl.DiagError,
		Summary:     "Invalid value for variable",
		Detail:      validationMessage(rule, scope) + "\n\nThis was checked by the validation at " + place(rule.Range) + ".",
		Subject:     v.Range.Ptr(),
		Expression:  rule.Condition,
		EvalContext: scope,
	}}
}

func validationMessage(rule *Assertion, scope *Scope) string {
	message, diags := rule.ErrorMessage.Value(scope)
	switch {
	case diags.HasErrors():
		return "Its value is refused, and the error_message cannot be evaluated: " + diags[0].Detail
	case IsSensitive(message):
		return "Its value is refused. The error_message has a sensitive value, so it is not shown."
	}
	text, err := convert.Convert(message, cty.String)
	if err != nil || !textLike(text) {
		return "Its value is refused, and the error_message is no text."
	}
	return strings.TrimSpace(text.AsString())
}

// lazyLocals evaluates the local values that validations ask for.
type lazyLocals struct {
	rb     *Runbook
	scope  *Scope // var, path and functions
	values map[string]cty.Value
}

// scopeFor returns a scope that has the locals that the expressions refer to.
func (l *lazyLocals) scopeFor(exprs ...Expression) (*Scope, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	used := map[string]cty.Value{}
	for _, expr := range exprs {
		for _, ref := range References(expr) {
			if ref.Path[0] != "local" || len(ref.Path) < 2 {
				continue
			}
			v, more := l.value(ref.Path[1])
			diags = append(diags, more...)
			used[ref.Path[1]] = v
		}
	}
	scope := l.scope.NewChild()
	scope.Variables = map[string]cty.Value{"local": cty.ObjectVal(used)}
	return scope, diags
}

func (l *lazyLocals) value(name string) (cty.Value, hcl.Diagnostics) {
	if v, ok := l.values[name]; ok {
		return v, nil
	}
	l.values[name] = cty.DynamicVal // ends a cycle, which was complained about
	for _, local := range l.rb.Locals {
		if local.Name != name {
			continue
		}
		scope, diags := l.scopeFor(local.Expr)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		v, diags := local.Expr.Value(scope)
		l.values[name] = v
		return v, diags
	}
	return cty.DynamicVal, nil
}
