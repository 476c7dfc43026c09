package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

var stepForm = form{
	attributes: "for_each command script args wait approve local_command when captures timeout env dir user stdin shell " +
		"on_failure idempotent sensitive tty prompt_order",
	blocks: "expect assert retry prompt upload download reboot",
	later:  "dynamic:name =fence",
}

// actions are the attributes and blocks of which a step has exactly one. Those of
// later versions are refused by name before they are counted.
var actions = []string{"command", "script", "wait", "approve", "local_command", "upload", "download", "reboot"}

// unused has, for an action, what has no meaning beside it.
var unused = map[string][]string{
	"command":       {"args"},
	"wait":          {"args", "env", "dir", "user", "stdin", "shell", "captures", "idempotent", "expect", "assert", "retry", "tty", "prompt", "prompt_order"},
	"approve":       {"args", "env", "dir", "user", "stdin", "shell", "captures", "idempotent", "expect", "assert", "retry", "tty", "prompt", "prompt_order"},
	"upload":        {"args", "env", "dir", "stdin", "shell", "expect", "tty", "prompt", "prompt_order"},
	"download":      {"args", "env", "dir", "stdin", "shell", "expect", "tty", "prompt", "prompt_order"},
	"local_command": {"args", "user", "shell", "tty", "prompt", "prompt_order"},
	"reboot": {"args", "env", "dir", "user", "stdin", "shell", "captures", "idempotent", "sensitive", "expect", "assert", "retry",
		"tty", "prompt", "prompt_order"},
}

// unusedAlone has what has no meaning in a step without an action, which runs
// the command of its session's document.
var unusedAlone = []string{"args", "env", "dir", "user", "stdin", "shell", "tty"}

// step decodes a step or a finally block. Where the session may have a document
// with a command of its own, a step may have no action.
func (d *decoder) step(block *hcl.Block, document bool) *Step {
	what := "a step"
	if block.Type == "finally" {
		what = "a finally block"
	}
	before := len(d.diags)
	b := d.body(block.Body, what, block.DefRange, stepForm)
	known := len(d.diags) == before
	s := &Step{
		Name:         d.name(block),
		Finally:      block.Type == "finally",
		ForEach:      b.expr("for_each"),
		Command:      b.expr("command"),
		Script:       b.expr("script"),
		Args:         b.expr("args"),
		Wait:         b.expr("wait"),
		Approve:      b.expr("approve"),
		LocalCommand: b.expr("local_command"),
		When:         b.expr("when"),
		Captures:     b.captures(),
		Timeout:      b.expr("timeout"),
		Env:          b.expr("env"),
		Dir:          b.expr("dir"),
		User:         b.expr("user"),
		Stdin:        b.expr("stdin"),
		Shell:        b.expr("shell"),
		OnFailure:    b.expr("on_failure"),
		Idempotent:   b.expr("idempotent"),
		Sensitive:    b.expr("sensitive"),
		TTY:          b.expr("tty"),
		PromptOrder:  b.expr("prompt_order"),
		Range:        block.DefRange,
	}
	b.duration("timeout")
	b.duration("wait")
	b.choice("on_failure", "stop", "continue")
	b.choice("prompt_order", "in_turn", "any")
	b.action(known, document && !s.Finally)
	for _, prompt := range b.all("prompt") {
		s.Prompts = append(s.Prompts, d.prompt(prompt))
	}
	if reboot := b.one("reboot"); reboot != nil {
		r := d.body(reboot.Body, "a reboot block", reboot.DefRange, form{attributes: "command"})
		s.Reboot = &Reboot{Command: r.expr("command"), Range: reboot.DefRange}
	}
	s.Upload = d.transfer(b.one("upload"), "mode owner replace")
	s.Download = d.transfer(b.one("download"), "")
	if expect := b.one("expect"); expect != nil {
		s.Expect = d.expect(expect)
	}
	for _, assert := range b.all("assert") {
		s.Asserts = append(s.Asserts, d.assertion(assert, "an assert block"))
	}
	if retry := b.one("retry"); retry != nil {
		s.Retry = d.retry(retry)
	}
	return s
}

// action checks that the step does one thing, and has nothing that the thing
// does not use. When the body had an unknown or a later argument, a step
// without an action is not a second mistake.
func (b *body) action(known, document bool) {
	var given []string
	at := map[string]hcl.Range{}
	for _, name := range actions {
		if attr := b.attrs[name]; attr != nil {
			at[name] = attr.NameRange
		} else if blocks := b.all(name); len(blocks) > 0 {
			at[name] = blocks[0].DefRange
		} else {
			continue
		}
		given = append(given, name)
	}
	slices.SortFunc(given, func(x, y string) int { return at[x].Start.Byte - at[y].Start.Byte })
	switch {
	case len(given) == 0 && document:
		for _, name := range unusedAlone {
			if attr := b.attrs[name]; attr != nil {
				b.d.complain(attr.NameRange, "Unused argument",
					"%q has no meaning in a step without an action, which runs the command of the session's document. Remove it.", name)
			}
		}
	case len(given) == 0:
		if known {
			b.d.complain(b.rng, "Step without an action",
				"%s does exactly one thing: give it one of %s.", upperFirst(b.what), strings.Join(actions, ", "))
		}
	case len(given) > 1:
		b.d.complain(at[given[1]], "Step with two actions",
			"%s does exactly one thing, and this one has %s. Split it into steps.", upperFirst(b.what), quoted(given, "and"))
	default:
		b.refuseUnused(given[0])
	}
}

func (b *body) refuseUnused(action string) {
	for _, name := range unused[action] {
		const detail = "%q has no meaning beside %q. Remove it."
		if attr := b.attrs[name]; attr != nil {
			b.d.complain(attr.NameRange, "Unused argument", detail, name, action)
		}
		for _, block := range b.all(name) {
			b.d.complain(block.DefRange, "Unused block", detail, name, action)
		}
	}
}

// captures decodes a literal object with constant keys.
func (b *body) captures() []*Attribute {
	attr := b.attrs["captures"]
	if attr == nil {
		return nil
	}
	pairs, diags := hcl.ExprMap(attr.Expr)
	if diags.HasErrors() {
		b.d.complain(attr.Expr.Range(), "Captures not written out",
			"captures is an object that is written out, such as { version = trimspace(self.stdout) }, so that its names are known before anything runs.")
		return nil
	}
	seen := names{}
	captures := make([]*Attribute, 0, len(pairs))
	for _, pair := range pairs {
		key, diags := pair.Key.Value(nil)
		if diags.HasErrors() || key.IsNull() || key.Type() != cty.String || !validName.MatchString(key.AsString()) {
			b.d.complain(pair.Key.Range(), "Invalid capture name",
				"The name of a capture is written out: letters, digits, underscores and dashes, such as version.")
			continue
		}
		name := key.AsString()
		b.d.declare(seen, "capture", name, pair.Key.Range())
		captures = append(captures, &Attribute{Name: name, Expr: b.d.expression(pair.Value), Range: pair.Key.Range()})
	}
	return captures
}

func (d *decoder) expect(block *hcl.Block) *Expect {
	b := d.body(block.Body, "an expect block", block.DefRange, form{
		attributes: "exit_code within",
		blocks:     "stdout stderr",
	})
	b.duration("within")
	e := &Expect{ExitCode: b.expr("exit_code"), Within: b.expr("within"), Range: block.DefRange}
	for _, stream := range b.blocks {
		se := d.streamExpect(stream)
		if stream.Type == "stdout" {
			e.Stdout = append(e.Stdout, se)
		} else {
			e.Stderr = append(e.Stderr, se)
		}
	}
	return e
}

const streamTests = "equals contains matches empty lines json " +
	"not_equals not_contains not_matches not_empty not_lines not_json"

func (d *decoder) streamExpect(block *hcl.Block) *StreamExpect {
	before := len(d.diags)
	b := d.body(block.Body, "a "+block.Type+" block", block.DefRange, form{attributes: streamTests})
	known := len(d.diags) == before
	se := &StreamExpect{Range: block.DefRange}
	for _, attr := range inOrder(b.attrs) {
		se.Tests = append(se.Tests, &Attribute{Name: attr.Name, Expr: d.expression(attr.Expr), Range: attr.NameRange})
	}
	if len(se.Tests) == 0 && known {
		d.complain(block.DefRange, "Expectation without a test",
			"A %s block needs at least one of %s.", block.Type, strings.Join(strings.Fields(streamTests), ", "))
	}
	return se
}

// transfer decodes an upload or a download block; a nil block is nil.
func (d *decoder) transfer(block *hcl.Block, more string) *Transfer {
	if block == nil {
		return nil
	}
	article := "a "
	if block.Type == "upload" {
		article = "an "
	}
	b := d.body(block.Body, article+block.Type+" block", block.DefRange, form{attributes: "source* destination* " + more})
	return &Transfer{
		Source:      b.expr("source"),
		Destination: b.expr("destination"),
		Mode:        b.expr("mode"),
		Owner:       b.expr("owner"),
		Replace:     b.expr("replace"),
		Range:       block.DefRange,
	}
}

func (d *decoder) prompt(block *hcl.Block) *Prompt {
	b := d.body(block.Body, "a prompt block", block.DefRange, form{
		attributes: "match* answer* timeout optional repeat enter",
	})
	b.duration("timeout")
	return &Prompt{
		Match:    b.expr("match"),
		Answer:   b.expr("answer"),
		Timeout:  b.expr("timeout"),
		Optional: b.expr("optional"),
		Repeat:   b.expr("repeat"),
		Enter:    b.expr("enter"),
		Range:    block.DefRange,
	}
}

func (d *decoder) retry(block *hcl.Block) *Retry {
	b := d.body(block.Body, "a retry block", block.DefRange, form{
		attributes: "attempts delay backoff max_delay within until",
	})
	b.duration("delay")
	b.duration("max_delay")
	b.duration("within")
	return &Retry{
		Attempts: b.expr("attempts"),
		Delay:    b.expr("delay"),
		Backoff:  b.expr("backoff"),
		MaxDelay: b.expr("max_delay"),
		Within:   b.expr("within"),
		Until:    b.expr("until"),
		Range:    block.DefRange,
	}
}
