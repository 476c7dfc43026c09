package hclspec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// checkNames walks a runbook and checks each expression where it stands.
func checkNames(rb *Runbook) hcl.Diagnostics {
	c := &checker{
		rb:        rb,
		variables: map[string]*Variable{},
		locals:    map[string]*Local{},
		selectors: map[string]*Selector{},
		sessions:  map[string]*Session{},
		scope:     staticScope(rb),
		after:     map[string][]dependency{},
	}
	for _, v := range rb.Variables {
		c.variables[v.Name] = v
	}
	for _, l := range rb.Locals {
		c.locals[l.Name] = l
	}
	for _, s := range rb.Selectors {
		c.selectors[s.Name] = s
	}
	for _, s := range rb.Sessions {
		c.sessions[s.Name] = s
	}
	c.walk()
	c.localCycles()
	c.sessionCycles()
	return c.diags
}

func (c *checker) walk() {
	for _, v := range c.rb.Variables {
		c.variable(v)
	}
	for _, l := range c.rb.Locals {
		c.expr(l.Expr, spot{what: "a local value", targets: true})
	}
	for _, p := range c.rb.Providers {
		c.provider(p)
	}
	for _, s := range c.rb.Selectors {
		c.selector(s)
	}
	for _, s := range c.rb.Sessions {
		c.session(s)
	}
	for _, check := range c.rb.Checks {
		for _, a := range check.Asserts {
			c.assertion(a, spot{what: "a check", targets: true, sessions: true, run: true})
		}
	}
	for _, o := range c.rb.Outputs {
		c.expr(o.Value, spot{what: "an output", targets: true, sessions: true, run: true})
	}
}

func (c *checker) variable(v *Variable) {
	for _, a := range v.Validations {
		before := len(c.diags)
		c.assertion(a, spot{what: "a validation"})
		if a.Condition != nil && len(c.diags) == before && !slices.ContainsFunc(References(a.Condition), func(ref Reference) bool {
			return len(ref.Path) > 1 && ref.Path[0] == "var" && ref.Path[1] == v.Name
		}) {
			c.complain(a.Condition.Range(), "Validation of something else",
				"The condition of a validation refers to the variable it is in: var.%s.", v.Name)
		}
	}
}

func (c *checker) provider(p *Provider) {
	c.expr(p.ForEach, spot{what: "a provider's for_each"})
	at := spot{what: "a provider", each: p.ForEach != nil}
	exprs := []Expression{p.Region, p.Profile, p.StartRate, p.SignDataChannel, p.RequireEncryption, p.KMSKeyID}
	if r := p.AssumeRole; r != nil {
		exprs = append(exprs, r.RoleARN, r.SessionName, r.ExternalID, r.Duration)
	}
	for _, expr := range exprs {
		c.expr(expr, at)
	}
}

func (c *checker) selector(s *Selector) {
	c.expr(s.ForEach, spot{what: "for_each of a targets block"})
	c.expr(s.Count, spot{what: "count of a targets block"})
	at := spot{what: "a targets block", each: s.ForEach != nil, count: s.Count != nil}
	exprs := []Expression{s.IDs, s.Names, s.Tags, s.Platform, s.ResourceGroup, s.Exclude, s.Online}
	if g := s.Guard; g != nil {
		exprs = append(exprs, g.Min, g.Max)
	}
	for _, expr := range exprs {
		c.expr(expr, at)
	}
	c.providerRef(s.Provider, at)
}

// providerRef checks that a provider is declared. aws needs no declaration.
func (c *checker) providerRef(ref *ProviderRef, at spot) {
	if ref == nil {
		return
	}
	c.expr(ref.Key, at)
	var known []string
	for _, p := range c.rb.Providers {
		name := p.Name
		if p.Alias != "" {
			name += "." + p.Alias
		}
		known = append(known, name)
		if p.Name == ref.Name && p.Alias == ref.Alias {
			c.providerKey(ref, p, name)
			return
		}
	}
	name := ref.Name
	if ref.Alias != "" {
		name += "." + ref.Alias
	}
	if name == "aws" {
		return
	}
	hint := didYouMean(name, known)
	if hint == "" {
		hint = fmt.Sprintf(" Declare it, or name one of: %s.", list(known))
	}
	c.complain(ref.Range, "No such provider", "There is no provider %s.%s", name, hint)
}

func (c *checker) providerKey(ref *ProviderRef, p *Provider, name string) {
	switch {
	case p.ForEach != nil && ref.Key == nil:
		c.complain(ref.Range, "Provider without key", "%s has for_each: say which instance, such as %s[each.key].", name, name)
	case p.ForEach == nil && ref.Key != nil:
		c.complain(ref.Range, "Provider has no keys", "%s has no for_each: write %s.", name, name)
	}
}

func (c *checker) session(s *Session) {
	c.expr(s.ForEach, spot{what: "a session's for_each", targets: true, sessions: true, session: s})
	c.expr(s.Count, spot{what: "a session's count", targets: true, sessions: true, session: s})
	at := spot{targets: true, sessions: true, session: s, each: s.ForEach != nil, count: s.Count != nil}
	as := func(what string) spot {
		named := at
		named.what = what
		return named
	}
	c.expr(s.Target, as("a session's target"))
	c.expr(s.Document, as("a session's document"))
	c.expr(s.Kind, as("a session's kind"))
	c.expr(s.Timeout, as("a session's timeout"))
	c.expr(s.After, as("a session's after"))
	c.expr(s.OnDisconnect, as("a session's on_disconnect"))
	c.expr(s.MaxOutput, as("a session's max_output"))
	c.expr(s.Shell, as("a session's shell"))
	c.expr(s.AllowSensitiveParameters, as("a session's allow_sensitive_parameters"))
	c.expr(s.RequireEncryption, as("a session's require_encryption"))
	c.expr(s.KMSKeyID, as("a session's kms_key_id"))
	c.expr(s.Helper, as("a session's helper"))
	c.providerRef(s.Provider, as("a session's provider"))
	if r := s.Rollout; r != nil {
		for _, expr := range []Expression{r.Waves, r.MaxParallel, r.MaxFailures, r.Pause, r.ApproveWaves, r.Order, r.OnHalt} {
			c.expr(expr, as("a session's rollout"))
		}
	}
	job := as("a session")
	job.target = true
	for _, expr := range []Expression{s.Env, s.Reason, s.Parameters, s.When} {
		c.expr(expr, job)
	}
	for _, a := range s.Preconditions {
		c.assertion(a, job)
	}
	c.dependsOn(s)
	for i, step := range s.Steps {
		c.step(step, s.Steps[:i], job)
	}
	for i, step := range s.Finally {
		c.step(step, slices.Concat(s.Steps, s.Finally[:i]), job)
	}
}

func (c *checker) dependsOn(s *Session) {
	for _, ref := range s.DependsOn {
		name := ref.Path[1]
		if !declared(c, ref, "session", "session", c.sessions) {
			continue
		}
		if name == s.Name {
			c.complain(ref.Range, "Session depends on itself", "Remove session.%s from its own depends_on.", name)
			continue
		}
		c.after[s.Name] = append(c.after[s.Name], dependency{name, ref.Range})
	}
}

// step checks the expressions of a step; job is the spot of the session's own
// expressions that know the target.
func (c *checker) step(s *Step, earlier []*Step, job spot) {
	planned := job
	planned.target = false
	planned.step, planned.steps = s, earlier
	planned.what = "a step's for_each"
	c.expr(s.ForEach, planned)
	planned.each = planned.each || s.ForEach != nil
	for _, p := range []struct {
		name string
		expr Expression
	}{
		{"tty", s.TTY}, {"prompt_order", s.PromptOrder},
		{"timeout", s.Timeout}, {"on_failure", s.OnFailure}, {"idempotent", s.Idempotent}, {"sensitive", s.Sensitive},
	} {
		planned.what = "a step's " + p.name
		c.expr(p.expr, planned)
	}
	running := planned
	running.what, running.target, running.run, running.job = "a step", true, true, s.Finally
	if s.Finally {
		running.what = "a finally block"
	}
	for _, t := range []*Transfer{s.Upload, s.Download} {
		if t != nil {
			for _, expr := range []Expression{t.Source, t.Destination, t.Mode, t.Owner} {
				c.expr(expr, running)
			}
			planned.what = "an upload block's replace"
			c.expr(t.Replace, planned)
		}
	}
	script := running
	script.what, script.run = "a step's script", false
	c.expr(s.Script, script)
	for _, expr := range []Expression{s.Command, s.Args, s.Wait, s.Approve, s.When, s.User, s.Shell} {
		c.expr(expr, running)
	}
	if s.Reboot != nil {
		c.expr(s.Reboot.Command, running)
	}
	given := running
	if s.LocalCommand != nil {
		given.self = selfTunnel
	}
	for _, expr := range []Expression{s.LocalCommand, s.Env, s.Dir, s.Stdin} {
		c.expr(expr, given)
	}
	c.judgement(s, planned, running)
}

// judgement checks what looks at the result of a step.
func (c *checker) judgement(s *Step, planned, running spot) {
	output := running
	output.self = selfOutput
	for _, p := range s.Prompts {
		planned.what = "a prompt block"
		for _, expr := range []Expression{p.Timeout, p.Optional, p.Repeat, p.Enter} {
			c.expr(expr, planned)
		}
		c.expr(p.Match, running)
		c.expr(p.Answer, output)
	}
	if e := s.Expect; e != nil {
		c.expr(e.ExitCode, output)
		c.expr(e.Within, output)
		for _, stream := range slices.Concat(e.Stdout, e.Stderr) {
			for _, test := range stream.Tests {
				c.expr(test.Expr, output)
			}
		}
	}
	for _, capture := range s.Captures {
		c.expr(capture.Expr, output)
	}
	result := running
	result.self = selfAndCapture
	for _, a := range s.Asserts {
		c.assertion(a, result)
	}
	if r := s.Retry; r != nil {
		planned.what = "a retry block"
		for _, expr := range []Expression{r.Attempts, r.Delay, r.Backoff, r.MaxDelay, r.Within} {
			c.expr(expr, planned)
		}
		c.expr(r.Until, result)
	}
}
