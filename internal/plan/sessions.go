package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// defaultMaxOutput is what is kept of each stream of a step.
const defaultMaxOutput = 64 << 20

// planBlock plans every instance of a session block.
func (b *builder) planBlock(block *sessionBlock) {
	a := attributes{scope: b.sessionScope(block), problems: b.problems}
	instances, _ := a.instances(block.decl.ForEach, block.decl.Count)
	var dependsOn []string // shared by all instances
	for _, name := range block.after {
		if other := b.plan.byName[name]; other != nil {
			for _, s := range other.instances {
				dependsOn = append(dependsOn, s.Address)
			}
		}
	}
	for _, instance := range instances {
		s := b.planSession(block, instance)
		s.DependsOn = dependsOn
		block.instances = append(block.instances, s)
		b.plan.Sessions = append(b.plan.Sessions, s)
		b.plan.byAddress[s.Address] = s
	}
}

// sessionScope has, besides the names of all, the sessions that a block refers
// to, so that a reference to them where values must be known says so.
func (b *builder) sessionScope(block *sessionBlock) *hclspec.Scope {
	if len(block.reads) == 0 {
		return b.plan.scope
	}
	return withName(b.plan.scope, "session", cty.DynamicVal)
}

func (b *builder) planSession(block *sessionBlock, instance instance) *Session {
	decl := block.decl
	a := attributes{scope: instance.scope, problems: b.problems}
	s := &Session{
		Address:      "session." + decl.Name + instance.suffix(),
		Name:         decl.Name + instance.suffix(),
		Document:     a.text("document", decl.Document, ""),
		Timeout:      a.timeout("timeout", decl.Timeout, 0),
		MaxOutput:    a.size("max_output", decl.MaxOutput, defaultMaxOutput),
		Shell:        a.text("shell", decl.Shell, ""),
		OnDisconnect: a.oneOf("on_disconnect", decl.OnDisconnect, "finish", "kill"),
		AfterEnded:   a.oneOf("after", decl.After, "passed", "ended") == "ended",
		Range:        decl.Range,

		block:          block,
		scope:          instance.scope,
		key:            instance.key,
		allowSensitive: a.boolean("allow_sensitive_parameters", decl.AllowSensitiveParameters, false),
	}
	s.Helper = a.boolean("helper", decl.Helper, false)
	s.RequireEncryption, s.KMSKeyID = a.encryption(decl.RequireEncryption, decl.KMSKeyID)
	if decl.When != nil {
		s.When = b.source(decl.When.Range())
	}
	nodes := b.sessionTargets(decl, a, []string{s.Address, "session." + decl.Name})
	kept := b.only.narrow(s, nodes)
	s.LeftOut = len(nodes) > 0 && len(kept) == 0
	b.planJobs(s, a, kept)
	b.planSteps(s)
	b.checkTimes(s)
	b.checkEncryption(s)
	b.checkHelper(s)
	if len(nodes) == 0 && !b.problems.hasErrors() {
		b.problems.warnf(decl.Target.Range(), "Session without targets", "%s has no targets, so none of its steps runs.", s.Address)
	}
	return s
}

func (b *builder) planJobs(s *Session, a attributes, nodes []*node) {
	n := len(nodes)
	ordered := b.rolloutOrder(s, a, nodes)
	s.Rollout = b.rollout(s, a, n)
	kinds := b.documents(s, a)
	s.Jobs = make([]*Job, n)
	s.Kind = kinds.author
	wave := 0
	for i, node := range ordered {
		for wave < len(s.Rollout.Waves)-1 && i >= s.Rollout.Waves[wave] {
			wave++
		}
		job := &Job{Address: s.Address + bracketed(node.ID), Session: s, Target: node.Target, Wave: wave, value: node.value}
		kinds.choose(job)
		s.Jobs[i] = job
	}
	if n > 0 {
		s.representative, s.Kind = s.Jobs[0], s.Jobs[0].Kind
		return
	}
	s.representative = &Job{Address: s.Address, Session: s, Kind: s.Kind, value: cty.UnknownVal(targetType)}
}

func (a attributes) size(name string, expr hclspec.Expression, otherwise int64) int64 {
	v, ok := a.value(name, expr, cty.String)
	if !ok {
		return otherwise
	}
	n, err := parseSize(v.AsString())
	if err != nil {
		a.problems.errorf(expr.Range(), "Bad size", "In %q, %s.", name, err)
		return otherwise
	}
	return n
}

// checkTimes compares a session's times with what its document allows.
func (b *builder) checkTimes(s *Session) {
	seen := map[DocumentRef]bool{}
	for _, job := range s.Jobs {
		ref := DocumentRef{job.Target.Provider, job.Document}
		doc, described := b.plan.Documents[ref]
		if !described || seen[ref] {
			continue
		}
		seen[ref] = true
		if doc.MaxSessionTime > 0 && s.Timeout > doc.MaxSessionTime {
			b.problems.errorf(s.block.decl.Timeout.Range(), "Timeout over the document's limit",
				"%s ends every session after %s, and \"timeout\" is %s. Shorten it, or use a document that allows more.", doc.title(), doc.MaxSessionTime, s.Timeout)
		}
		for _, step := range append(append([]*Step{}, s.Steps...), s.Finally...) {
			b.checkStepTime(step, doc)
		}
	}
}

func (b *builder) checkStepTime(step *Step, doc Document) {
	at := step.Range
	if step.decl.Timeout != nil {
		at = step.decl.Timeout.Range()
	}
	switch {
	case doc.MaxSessionTime > 0 && step.Timeout > doc.MaxSessionTime:
		b.problems.errorf(at, "Timeout over the document's limit",
			"%s ends every session after %s, and step %q may take %s. Shorten it, or use a document that allows more.", doc.title(), doc.MaxSessionTime, step.Label, step.Timeout)
	case doc.IdleTimeout > 0 && step.Timeout > doc.IdleTimeout:
		b.problems.warnf(at, "Timeout over the idle time",
			"%s ends a session that is silent for %s, and step %q may be silent for up to %s. Make it write something now and then.", doc.title(), doc.IdleTimeout, step.Label, step.Timeout)
	}
}
