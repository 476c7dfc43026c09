package hclspec

import (
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What one evaluation of one expression may use. The clock is the last resort:
// the counts are what a runbook that is too greedy meets first.
const (
	maxIterations = 200_000 // of all `for` in it
	maxText       = 16 << 20
	maxElements   = 1_000_000
	maxEvaluation = 10 * time.Second
)

// bounded is an expression whose evaluation is bounded. It is what the fields
// of a Runbook hold.
type bounded struct {
	hclsyntax.Expression
}

// bound rewrites syntax in place so that what can grow is counted.
func bound(syntax hclsyntax.Expression) Expression {
	_ = hclsyntax.VisitAll(syntax, func(node hclsyntax.Node) hcl.Diagnostics {
		switch node := node.(type) {
		case *hclsyntax.ForExpr:
			node.CollExpr = collection{inner(node.CollExpr)}
			node.ValExpr = iteration{inner(node.ValExpr)}
			if node.CondExpr != nil {
				node.CondExpr = iteration{inner(node.CondExpr)}
			}
		case *hclsyntax.TemplateExpr:
			for i, part := range node.Parts {
				if _, literal := part.(*hclsyntax.LiteralValueExpr); !literal {
					node.Parts[i] = templatePart{inner(part)}
				}
			}
		case *hclsyntax.BinaryOpExpr:
			node.LHS, node.RHS = operand{inner(node.LHS)}, operand{inner(node.RHS)}
		}
		return nil
	})
	return bounded{syntax}
}

// inner gives a wrapper's node a parent, because hcl's walk enters what a
// wrapper's methods name as children, and would pass over the node itself.
func inner(expr hclsyntax.Expression) hclsyntax.Expression {
	return &hclsyntax.ParenthesesExpr{Expression: expr, SrcRange: expr.Range()}
}

// UnwrapExpression gives hcl's static analysis the syntax behind the bounds.
func (b bounded) UnwrapExpression() hcl.Expression { return b.Expression }

func (b bounded) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if ctx == nil || budgetOf(ctx) != nil {
		return b.Expression.Value(ctx)
	}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{budgetName: cty.CapsuleVal(budgetType, &budget{
		deadline: time.Now().Add(maxEvaluation),
	})}
	v, diags := b.Expression.Value(child)
	diags = clean(diags, b.Expression, child)
	if err := checkValue(v); err != nil {
		diags = append(diags, complaint(b.Range(), "Value too large", "The value of this expression %s.", err))
		return cty.DynamicVal, diags
	}
	return v, diags
}

// budget is what an evaluation has used. Evaluation of one expression is
// sequential, so it needs no lock.
type budget struct {
	iterations int
	text       int
	made       size
	deadline   time.Time
	spent      bool // said once, not at every iteration that follows
}

// A budget travels in hcl's evaluation contexts, which hold nothing but cty
// values. A space keeps its name out of an author's reach.
const budgetName = " budget"

var budgetType = cty.Capsule("budget", reflect.TypeFor[budget]())

func budgetOf(ctx *hcl.EvalContext) *budget {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[budgetName]; ok {
			return v.EncapsulatedValue().(*budget)
		}
	}
	return nil
}

// refuse stops an evaluation that is over its budget. What it returns after the
// first time is an unknown value without a complaint: one is enough.
func (b *budget) refuse(rng hcl.Range, detail string, args ...any) (cty.Value, hcl.Diagnostics) {
	if b.spent {
		return cty.DynamicVal, nil
	}
	b.spent = true
	return cty.DynamicVal, hcl.Diagnostics{complaint(rng, "Expression too large", detail, args...)}
}

// collection is what a `for` iterates over: nothing when the budget is spent, so
// that the loops around the one that spent it end, too.
type collection struct{ hclsyntax.Expression }

func (e collection) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if b := budgetOf(ctx); b != nil && b.spent {
		return cty.DynamicVal, nil
	}
	return e.Expression.Value(ctx)
}

// iteration is the body of a `for`.
type iteration struct{ hclsyntax.Expression }

func (e iteration) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	b := budgetOf(ctx)
	if b == nil {
		return e.Expression.Value(ctx)
	}
	b.iterations++
	if b.spent || b.iterations > maxIterations {
		return b.refuse(e.Range(), "Evaluating this expression takes more than %d iterations. Iterate over less.", maxIterations)
	}
	if b.iterations%256 == 0 && time.Now().After(b.deadline) {
		return b.refuse(e.Range(), "Evaluating this expression takes longer than %s. Iterate over less.", maxEvaluation)
	}
	v, diags := e.Expression.Value(ctx)
	if err := b.charge(v); err != nil {
		v, over := b.refuse(e.Range(), "What this expression makes %s. Iterate over less.", err)
		return v, append(diags, over...)
	}
	return v, diags
}

// charge counts what a loop has made so far. A value that goes through two
// loops counts twice, so the limits are not tight.
func (b *budget) charge(v cty.Value) error {
	s := size{elements: b.made.elements, text: b.made.text, times: 4}
	err := s.add(v)
	b.made = s
	return err
}

// templatePart is an interpolation.
type templatePart struct{ hclsyntax.Expression }

func (e templatePart) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.Expression.Value(ctx)
	b := budgetOf(ctx)
	if b == nil || !textLike(v) {
		return v, diags
	}
	raw, _ := v.Unmark()
	b.text += len(raw.AsString())
	if b.spent || b.text > maxText {
		v, over := b.refuse(e.Range(), "The templates of this expression make more than %d MiB of text.", maxText>>20)
		return v, append(diags, over...)
	}
	return v, diags
}

func textLike(v cty.Value) bool {
	return v != cty.NilVal && v.Type() == cty.String && !v.IsNull() && v.IsKnown()
}

// operand keeps the exponents of numbers small: the decimal form of 1e999999999
// is a gigabyte.
type operand struct{ hclsyntax.Expression }

func (e operand) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.Expression.Value(ctx)
	if raw, _ := v.Unmark(); !numberSmall(raw) {
		return cty.DynamicVal, append(diags, complaint(e.Range(), "Number too large",
			"This number has more than %d digits.", maxExponent))
	}
	return v, diags
}

// numberSmall is true for what is not a number, too.
func numberSmall(v cty.Value) bool {
	if v == cty.NilVal || v.Type() != cty.Number || v.IsNull() || !v.IsKnown() {
		return true
	}
	f := v.AsBigFloat()
	exponent := f.MantExp(nil) // binary digits
	return f.IsInf() || exponent < 4*maxExponent && exponent > -4*maxExponent
}

// checkValue returns an error for a value with more elements, more text or
// larger numbers than an expression may make. It stops at the first, so that a
// value that shares parts of itself a million times is refused quickly.
func checkValue(v cty.Value) error {
	s := size{times: 1}
	return s.add(v)
}

// size is what values take together.
type size struct {
	elements, text int
	times          int // of the limits
}

func (s *size) add(v cty.Value) error {
	v, _ = v.Unmark()
	if s.elements++; s.elements > s.times*maxElements {
		return fmt.Errorf("has more than %d elements", s.times*maxElements)
	}
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		if s.text += len(v.AsString()); s.text > s.times*maxText {
			return fmt.Errorf("has more than %d MiB of text", s.times*maxText>>20)
		}
	case ty == cty.Number:
		if !numberSmall(v) {
			return fmt.Errorf("has a number of more than %d digits", maxExponent)
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			if err := s.add(element); err != nil {
				return err
			}
		}
	}
	return nil
}
