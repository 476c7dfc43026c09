package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// Evaluator holds a runbook with its values and answers what plan and run ask.
// It is not for use by several goroutines; the Plan it makes is.
type Evaluator struct {
	rb     *hclspec.Runbook
	values map[string]cty.Value
}

// DocumentRef names a document as one provider sees it.
type DocumentRef struct{ Provider, Name string }

// New evaluates what needs no targets: variables, locals and providers. Values
// has one value for each variable of the runbook. The diagnostics are all
// mistakes found; with errors among them the evaluator is nil.
func New(rb *hclspec.Runbook, values map[string]cty.Value) (*Evaluator, hclspec.Diagnostics) {
	return &Evaluator{rb: rb, values: values}, nil
}

// Providers returns the provider instances, in source order, for_each keys
// sorted. A runbook without a provider block has one, `aws`.
func (e *Evaluator) Providers() []Provider { return nil }

// Selections returns what has to be found before Plan: one for each instance
// of a targets block, and one for each session that names literal ids.
func (e *Evaluator) Selections() ([]Selection, hclspec.Diagnostics) { return nil, nil }

// Documents returns the documents that Plan needs described. It may be called
// once Selections has returned without errors.
func (e *Evaluator) Documents() []DocumentRef { return nil }

// Plan makes the plan: found answers every Selection, docs every DocumentRef.
// The diagnostics are all mistakes found, warnings included; with errors among
// them the plan is nil.
func (e *Evaluator) Plan(found []Found, docs map[DocumentRef]Document) (*Plan, hclspec.Diagnostics) {
	return &Plan{Dir: e.rb.Dir, eval: e}, nil
}
