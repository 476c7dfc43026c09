package hclspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Where names may be used:
//
//	var local path        everywhere
//	each, count           in what has for_each or count
//	targets               everywhere after selectors
//	target                a session's env reason parameters when precondition, and steps
//	self                  expect assert captures until of its own step; self.local_port
//	                      also in what a local_command step runs
//	step                  later steps of the same job
//	job                   finally
//	session               other sessions, checks, outputs
//	run                   steps, finally, checks, outputs
//
// A spot is one place of a runbook where an expression stands: what it is
// called, and which of the names it may use.
type spot struct {
	what string // such as `a session's rollout`

	targets  bool
	target   bool
	sessions bool
	run      bool
	job      bool
	each     bool
	count    bool

	session *Session // the session it is in
	steps   []*Step  // the steps that ran before
	step    *Step    // the step it is in
	self    selfUse
}

type selfUse int

const (
	noSelf         selfUse = iota
	selfTunnel             // self.local_port alone: what a local command is given
	selfOutput             // self but for its captures: expect, captures, prompt answers
	selfAndCapture         // assert and until
)

var whereNames = map[string]string{
	"each":    "in what has for_each",
	"count":   "in what has count",
	"targets": "everywhere but in providers, targets blocks and variables",
	"target":  "in a session's env, reason, parameters, when and precondition, and in steps, but not where every target has the same value",
	"self":    "in expect, assert, captures, until and prompt answers of its own step; self.local_port also in what a local_command step runs",
	"step":    "in later steps of the same session",
	"job":     "in finally blocks",
	"session": "in other sessions, checks and outputs",
	"run":     "in steps, finally blocks, checks and outputs",
}

// roots are the names an expression can begin with.
var roots = []string{"var", "local", "path", "each", "count", "targets", "target", "self", "step", "job", "session", "run"}

// attributes of the names that have the same ones everywhere.
var nameAttributes = map[string][]string{
	"path":   {"module", "root"},
	"each":   {"key", "value"},
	"count":  {"index"},
	"target": {"id", "name", "platform", "ip", "region", "account", "tags"},
	"self":   {"stdout", "stderr", "stdout_base64", "exit_code", "duration", "attempt", "captures", "local_port", "bytes", "sha256"},
	"job":    {"outcome", "failed_step"},
	"run":    {"id", "started_at"},
}

var (
	stepAttributes = []string{"outcome", "exit_code", "duration", "attempt", "captures"}
	jobAttributes  = []string{"target", "outcome", "failed_step", "duration", "step"}
)

func (s spot) allows(root string) bool {
	switch root {
	case "each":
		return s.each
	case "count":
		return s.count
	case "targets":
		return s.targets
	case "target":
		return s.target
	case "self":
		return s.self != noSelf
	case "step":
		return s.step != nil && s.run // not where its value has to be known at plan
	case "job":
		return s.job
	case "session":
		return s.sessions
	case "run":
		return s.run
	}
	return true
}

// checker checks every expression of a runbook against the names there are.
type checker struct {
	rb        *Runbook
	diags     hcl.Diagnostics
	variables map[string]*Variable
	locals    map[string]*Local
	selectors map[string]*Selector
	sessions  map[string]*Session
	scope     *Scope
	after     map[string][]dependency // of a session
}

func (c *checker) complain(rng hcl.Range, summary, detail string, args ...any) {
	c.diags = append(c.diags, complaint(rng, summary, detail, args...))
}

// expr checks one expression. When its names are in order it is evaluated with
// every name unknown, which finds calls and types that can never work.
func (c *checker) expr(expr Expression, at spot) {
	if expr == nil {
		return
	}
	before := len(c.diags)
	for _, traversal := range expr.Variables() {
		c.reference(traversal, at)
	}
	if len(c.diags) == before {
		_, diags := expr.Value(c.scope)
		c.diags = append(c.diags, diags...)
	}
}

func (c *checker) assertion(a *Assertion, at spot) {
	c.expr(a.Condition, at)
	c.expr(a.ErrorMessage, at)
}

func (c *checker) reference(traversal hcl.Traversal, at spot) {
	ref := referenceOf(traversal)
	root := ref.Path[0]
	if !slices.Contains(roots, root) {
		c.noSuchRoot(root, traversal, ref)
		return
	}
	if !at.allows(root) {
		c.notHere(root, ref, at)
		return
	}
	switch root {
	case "var":
		declared(c, ref, "variable", "var", c.variables)
	case "local":
		if declared(c, ref, "local value", "local", c.locals) {
			c.throughLocal(ref, at)
		}
	case "targets":
		declared(c, ref, "targets block", "targets", c.selectors)
	case "session":
		c.sessionReference(ref, at)
	case "step":
		c.stepReference(ref, at)
	case "self":
		c.selfReference(ref, at)
	default:
		c.attribute(ref, 1, root, nameAttributes[root], root != "target" && root != "run" && root != "job")
	}
}

func (c *checker) noSuchRoot(root string, traversal hcl.Traversal, ref Reference) {
	if root == "module" {
		c.complain(ref.Range, "Not supported in this version",
			"Modules come in a later version of ssmrun. Put the sessions in this runbook.")
		return
	}
	hint := ""
	if file := c.rb.Files[ref.Range.Filename]; file != nil && len(traversal) == 1 {
		hint = hintShell(file.Bytes, traversal[0].SourceRange())
	}
	suggestion := ""
	if hint == "" {
		suggestion = didYouMean(root, roots)
		if c.variables[root] != nil {
			suggestion = fmt.Sprintf(" Did you mean var.%s?", root)
		} else if c.locals[root] != nil {
			suggestion = fmt.Sprintf(" Did you mean local.%s?", root)
		}
	}
	if hint == "" && suggestion == "" {
		suggestion = " Names begin with " + strings.Join(roots, ", ") + "; text stands in quotes."
	}
	c.complain(ref.Range, "No such name", "There is no name %q.%s%s", root, hint, suggestion)
}

func (c *checker) notHere(root string, ref Reference, at spot) {
	detail := fmt.Sprintf("%q may not be used in %s. It may be used %s.", root, at.what, whereNames[root])
	if (root == "step" || root == "run") && at.step != nil {
		detail = fmt.Sprintf("%q may not be used in %s, which has to be known before anything runs.", root, at.what)
	}
	c.complain(ref.Range, "Name not allowed here", "%s", detail)
}

// declared checks the name after the root.
func declared[V any](c *checker, ref Reference, what, root string, blocks map[string]V) bool {
	if len(ref.Path) < 2 {
		c.complain(ref.Range, "Incomplete reference", "%q needs the name of a %s after it, such as %s.name.", root, what, root)
		return false
	}
	name := ref.Path[1]
	if _, ok := blocks[name]; ok {
		return true
	}
	known := keysOf(blocks)
	hint := didYouMean(name, known)
	if hint == "" {
		hint = fmt.Sprintf(" Declare it, or name one of: %s.", list(known))
		if len(known) == 0 {
			hint = fmt.Sprintf(" The runbook has no %s.", what)
		}
	}
	c.complain(ref.Range, "No such "+what, "There is no %s %q.%s", what, name, hint)
	return false
}

// attribute checks Path[i] against the attributes of what is before it.
func (c *checker) attribute(ref Reference, i int, of string, known []string, required bool) bool {
	if len(ref.Path) <= i {
		if required {
			c.complain(ref.Range, "Incomplete reference", "%q alone is no value here. It has: %s.", of, strings.Join(known, ", "))
		}
		return false
	}
	if slices.Contains(known, ref.Path[i]) {
		return true
	}
	hint := didYouMean(ref.Path[i], known)
	if hint == "" {
		hint = fmt.Sprintf(" It has: %s.", list(known))
	}
	c.complain(ref.Range, "No such attribute", "%q has no attribute %q.%s", of, ref.Path[i], hint)
	return false
}

// list joins names for a sentence, the first ten of them.
func list(names []string) string {
	if len(names) == 0 {
		return "(none)"
	}
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// staticScope has every name, unknown, so that an expression can be tried
// before there are values.
func staticScope(rb *Runbook) *Scope {
	variables := map[string]cty.Value{}
	for _, v := range rb.Variables {
		variables[v.Name] = cty.UnknownVal(v.Type)
	}
	text := cty.UnknownVal(cty.String)
	scope := &Scope{
		Variables: map[string]cty.Value{
			"var":     cty.ObjectVal(variables),
			"path":    cty.ObjectVal(map[string]cty.Value{"module": text, "root": text}),
			"run":     cty.ObjectVal(map[string]cty.Value{"id": text, "started_at": text}),
			"job":     cty.ObjectVal(map[string]cty.Value{"outcome": text, "failed_step": text}),
			"target":  cty.ObjectVal(map[string]cty.Value{"id": text, "name": text, "platform": text, "ip": text, "region": text, "account": text, "tags": cty.UnknownVal(cty.Map(cty.String))}),
			"count":   cty.ObjectVal(map[string]cty.Value{"index": cty.UnknownVal(cty.Number)}),
			"each":    cty.ObjectVal(map[string]cty.Value{"key": text, "value": cty.DynamicVal}),
			"local":   cty.DynamicVal,
			"targets": cty.DynamicVal,
			"session": cty.DynamicVal,
			"step":    cty.DynamicVal,
			"self":    cty.DynamicVal,
		},
		Functions: functionTable(functionSource{}),
	}
	return scope
}
