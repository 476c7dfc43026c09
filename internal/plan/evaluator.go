package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// Evaluator holds a runbook with its values and answers what plan asks. It is
// for one goroutine; the Plan that it makes is for any number.
type Evaluator struct {
	wanted     []string // what -target names
	rb         *hclspec.Runbook
	files      *hclspec.Snapshot
	values     map[string]cty.Value
	secrets    []string // of variables and locals
	before     *hclspec.Scope
	locals     *locals
	providers  []Provider
	selectors  map[string]*hclspec.Selector
	sessions   map[string]*hclspec.Session
	tagsWanted *bool // nil: not looked yet
}

// DocumentRef names a document as one provider sees it.
type DocumentRef struct{ Provider, Name string }

// New evaluates what needs no targets: variables, locals and providers. Values
// has one value for each variable of the runbook, marked where it is sensitive
// or ephemeral. The diagnostics are all mistakes found; with errors among them
// the evaluator is nil.
func New(rb *hclspec.Runbook, values map[string]cty.Value) (*Evaluator, hclspec.Diagnostics) {
	e := &Evaluator{
		rb:        rb,
		files:     hclspec.NewSnapshot(rb.Dir),
		values:    values,
		selectors: map[string]*hclspec.Selector{},
		sessions:  map[string]*hclspec.Session{},
	}
	for _, s := range rb.Selectors {
		e.selectors[s.Name] = s
	}
	for _, s := range rb.Sessions {
		e.sessions[s.Name] = s
	}
	var found problems
	variables := e.variables(&found)
	base := &hclspec.Scope{
		Variables: map[string]cty.Value{
			"var":     variables,
			"path":    cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal("."), "root": cty.StringVal(".")}),
			"targets": cty.DynamicVal,
		},
		Functions: hclspec.Functions(hclspec.FunctionOptions{Files: e.files}),
	}
	e.locals = newLocals(rb.Locals, &found)
	local := e.locals.evaluate(base, nil, &found)
	e.before = base
	e.before.Variables["local"] = local

	var known secrets
	known.in(variables)
	known.in(local)
	e.secrets = known.list

	e.providers = e.evaluateProviders(&found)
	if found.hasErrors() {
		return nil, found.list
	}
	return e, found.list
}

// Secrets returns the text of every sensitive value among variables and
// locals, for a redactor to know before anything is shown or written.
func (e *Evaluator) Secrets() []string { return e.secrets }

// variables returns the object that `var` is, marks added where a variable
// wants them.
func (e *Evaluator) variables(found *problems) cty.Value {
	attrs := make(map[string]cty.Value, len(e.rb.Variables))
	for _, decl := range e.rb.Variables {
		v, given := e.values[decl.Name]
		switch {
		case given && v != cty.NilVal:
		case decl.Default != cty.NilVal:
			v = decl.Default
		default:
			found.errorf(decl.Range, "Variable without a value",
				"The variable %q has no default and was given no value. Set it with -var, in a values file, or as SSMRUN_VAR_%s.",
				decl.Name, decl.Name)
			v = cty.UnknownVal(decl.Type)
		}
		if decl.Sensitive {
			v = v.Mark(hclspec.MarkSensitive)
		}
		if decl.Ephemeral {
			v = v.Mark(hclspec.MarkSensitive).Mark(hclspec.MarkEphemeral)
		}
		attrs[decl.Name] = v
	}
	return cty.ObjectVal(attrs)
}

// source returns the text of an expression as its author wrote it, on one
// line.
func (e *Evaluator) source(at hclspec.Range) string {
	file := e.rb.Files[at.Filename]
	if file == nil || !at.CanSliceBytes(file.Bytes) {
		return ""
	}
	return oneLine(string(at.SliceBytes(file.Bytes)))
}
