package plan

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// nonInteractive is AWS's own document for commands without a terminal: what a
// session without a document uses where there is no POSIX shell to talk to.
const nonInteractive = "AWS-StartNonInteractiveCommand"

// Documents returns the documents that Plan needs described, each once; the
// name "" is the account's shell preferences. It may be called once Selections
// has returned without errors.
func (e *Evaluator) Documents() []DocumentRef {
	var quiet problems
	chosen := e.selections(&quiet)
	var refs []DocumentRef
	for _, decl := range e.rb.Sessions {
		a := attributes{scope: e.before, problems: &quiet, unknownOK: true}
		instances, _ := a.instances(decl.ForEach, decl.Count)
		for _, instance := range instances {
			a.scope = instance.scope
			for _, name := range e.documentNames(decl, a, chosen) {
				for _, provider := range e.providersOf(decl, a, chosen) {
					refs = append(refs, DocumentRef{Provider: provider, Name: name})
				}
			}
		}
	}
	slices.SortFunc(refs, func(x, y DocumentRef) int {
		if c := strings.Compare(x.Provider, y.Provider); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	return slices.Compact(refs)
}

// documentNames returns the documents that a session instance may use.
func (e *Evaluator) documentNames(decl *hclspec.Session, a attributes, chosen []selection) []string {
	name := a.text("document", decl.Document, "")
	switch {
	case name != "":
		return []string{name}
	case a.text("kind", decl.Kind, "auto") == string(KindCommand):
		return []string{nonInteractive}
	case e.mayBeWindows(decl, chosen):
		return []string{"", nonInteractive}
	}
	return []string{""}
}

// title is how messages call a document.
func (d Document) title() string {
	if d.Name == "" {
		return "The account's shell preferences document"
	}
	return d.Name
}

// targetBlocks returns the addresses of the targets blocks that a session's
// target may be of, through locals too.
func (e *Evaluator) targetBlocks(decl *hclspec.Session) []string {
	var blocks []string
	seen := map[string]bool{}
	var visit func(expr hclspec.Expression)
	visit = func(expr hclspec.Expression) {
		for _, ref := range hclspec.References(expr) {
			switch {
			case ref.Path[0] == "targets" && len(ref.Path) > 1:
				blocks = append(blocks, "targets."+ref.Path[1])
			case ref.Path[0] == "each":
				if !seen["each"] {
					seen["each"] = true
					visit(decl.ForEach)
				}
			case ref.Path[0] == "local" && len(ref.Path) > 1 && !seen[ref.Path[1]]:
				seen[ref.Path[1]] = true
				for _, local := range e.rb.Locals {
					if local.Name == ref.Path[1] {
						visit(local.Expr)
					}
				}
			}
		}
	}
	visit(decl.Target)
	return sortedSet(blocks)
}

// providersOf returns the keys of the providers whose targets a session may
// run on.
func (e *Evaluator) providersOf(decl *hclspec.Session, a attributes, chosen []selection) []string {
	blocks := e.targetBlocks(decl)
	var keys []string
	for _, s := range chosen {
		if slices.Contains(blocks, s.block) || s.block == "session."+decl.Name {
			keys = append(keys, s.Provider)
		}
	}
	if len(keys) == 0 {
		if key, ok := e.providerKey(decl.Provider, a); ok {
			keys = append(keys, key)
		}
	}
	return sortedSet(keys)
}

// mayBeWindows reports whether a selector of the session says Windows.
func (e *Evaluator) mayBeWindows(decl *hclspec.Session, chosen []selection) bool {
	blocks := e.targetBlocks(decl)
	for _, s := range chosen {
		if s.Platform == "Windows" && slices.Contains(blocks, s.block) {
			return true
		}
	}
	return false
}

// documentChoice decides how each job's steps travel.
type documentChoice struct {
	*builder
	session *Session
	author  Kind // what the author said; "" for auto
	own     bool // the author gives the document its own command
	at      hclspec.Range
}

func (b *builder) documents(s *Session, a attributes) documentChoice {
	decl := s.block.decl
	kind := a.oneOf("kind", decl.Kind, "auto", string(KindShell), string(KindCommand), string(KindDocument), string(KindPort))
	c := documentChoice{builder: b, session: s, author: Kind(kind), at: decl.Range}
	if kind == "auto" {
		c.author = ""
	}
	switch {
	case decl.Document != nil:
		c.at = decl.Document.Range()
	case decl.Kind != nil:
		c.at = decl.Kind.Range()
	}
	for _, name := range parameterNames(decl.Parameters) {
		c.own = c.own || name == "command"
	}
	return c
}

// parameterNames returns the names that a parameters expression writes out.
func parameterNames(expr hclspec.Expression) []string {
	if expr == nil {
		return nil
	}
	entries, _ := hclspec.MapEntries(expr)
	var names []string
	for _, entry := range entries {
		if v, diags := evaluate(entry.Key, nil); !diags.HasErrors() {
			if name, ok := textOf(v); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// choose sets a job's kind and document: design rules by the document's
// session type, by platform where there is no document.
func (c documentChoice) choose(job *Job) {
	job.Document = c.session.Document
	if job.Document == "" {
		c.chooseWithout(job)
		return
	}
	doc, ok := c.describe(job)
	if !ok {
		return
	}
	natural := map[string]Kind{
		"Standard_Stream": KindShell, "InteractiveCommands": KindDocument,
		"NonInteractiveCommands": KindCommand, "Port": KindPort,
	}[doc.SessionType]
	if c.own && natural == KindCommand {
		natural = KindDocument
	}
	if natural == "" {
		c.problems.errorf(c.at, "Document of an unknown kind", "%s has the session type %q, which is none that ssmrun can speak.", doc.Name, clipText(doc.SessionType, 60))
		return
	}
	job.Kind = natural
	if c.author != "" && c.author != natural {
		if !possible(c.author, doc.SessionType) {
			c.problems.errorf(c.at, "Kind does not fit the document", "%s is of session type %s, which cannot carry kind = %q. Leave \"kind\" out.", doc.Name, doc.SessionType, string(c.author))
			return
		}
		job.Kind = c.author
	}
	job.SeparateOutput = doc.SeparateOutputStream
	if job.Kind == KindCommand && !slices.Contains(doc.Parameters, "command") {
		c.problems.errorf(c.at, "Document without a command", "%s has no parameter \"command\", so steps cannot be sent through it.", doc.Name)
	}
}

// possible reports whether an author's kind can be had on a session type. Any
// terminal may turn out to give a POSIX shell, and any document may carry its
// own command.
func possible(kind Kind, sessionType string) bool {
	switch kind {
	case KindShell:
		return sessionType == "InteractiveCommands"
	case KindDocument:
		return sessionType != "Port"
	}
	return false
}

func (c documentChoice) chooseWithout(job *Job) {
	windows := job.Target.Platform == "Windows"
	switch {
	case c.author == KindDocument || c.author == KindPort:
		c.problems.errorf(c.at, "Session without a document", "kind = %q needs a \"document\" that says what runs.", string(c.author))
	case c.author == KindShell && windows:
		c.problems.errorf(c.at, "No POSIX shell on Windows", "%s runs Windows, where steps travel as commands. Leave \"kind\" out, or choose other targets.", job.Target.ID)
	case c.author == KindCommand || windows:
		job.Kind, job.Document = KindCommand, nonInteractive
		// Without a description it is taken as AWS publishes it.
		job.SeparateOutput = true
		if doc, ok := c.plan.Documents[DocumentRef{job.Target.Provider, nonInteractive}]; ok && doc.Defect == "" {
			job.SeparateOutput = doc.SeparateOutputStream
		}
	default:
		job.Kind = KindShell
	}
}

func (c documentChoice) describe(job *Job) (Document, bool) {
	doc, ok := c.plan.Documents[DocumentRef{job.Target.Provider, job.Document}]
	if !ok {
		c.problems.errorf(c.at, "No such document", "The document %q is not there, or may not be read, with provider %s. Correct its name.", clipText(job.Document, 130), job.Target.Provider)
	}
	if doc.Defect != "" {
		c.problems.errorf(c.at, "No such session document", "%s.", doc.Defect)
		return doc, false
	}
	return doc, ok
}

// checkParameters compares the parameters that a session gives with those that
// its document has.
func (c documentChoice) checkParameters(job *Job, given map[string]bool, at hclspec.Range) {
	if job.Document == "" {
		if len(given) > 0 {
			c.problems.errorf(at, "Parameters without a document", "Without a \"document\" there is nothing to take parameters. Name the document, or leave them out.")
		}
		return
	}
	doc, ok := c.plan.Documents[DocumentRef{job.Target.Provider, job.Document}]
	if !ok || doc.Defect != "" {
		return
	}
	for _, name := range sortedKeys(given) {
		switch {
		case !slices.Contains(doc.Parameters, name):
			c.problems.errorf(at, "Unknown parameter", "%s has no parameter %q. It has: %s.", doc.Name, name, listed(doc.Parameters))
		case job.Kind == KindCommand && (name == "command" || name == "separateOutputStream"):
			c.problems.errorf(at, "Parameter set twice", "ssmrun sets %q itself in sessions of the command kind. Leave it out.", name)
		}
	}
	for _, name := range doc.Required {
		if !given[name] && !(job.Kind == KindCommand && name == "command") {
			c.problems.errorf(at, "Parameter missing", "%s needs the parameter %q. Give it in \"parameters\".", doc.Name, name)
		}
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// knownKeys returns the keys of a mapping value, and false when they are not
// known.
func knownKeys(v cty.Value) (map[string]bool, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !isMapping(v.Type()) {
		return nil, false
	}
	keys := map[string]bool{}
	for key := range v.Elements() {
		keys[key.AsString()] = true
	}
	return keys, true
}
