package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

func addresses(p *Plan) string {
	var list []string
	for _, s := range p.Sessions {
		list = append(list, s.Address)
	}
	return strings.Join(list, " ")
}

func TestSessionsRunAfterWhatTheyReferTo(t *testing.T) {
	b := newBench(t, 2)
	p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "c" {
  target = targets.all
  after  = "ended"
  step "x" { command = ["echo", session.b["x"]["i-00000000000000001"].step.x.captures.v] }
}
session "b" {
  for_each   = { y = 1, x = 2 }
  target     = targets.all
  depends_on = [session.a]
  step "x" {
    command  = "echo ${each.value}"
    captures = { v = self.stdout }
  }
}
session "a" {
  count  = 2
  target = targets.all
  step "x" { command = "echo ${count.index}" }
}
`)
	if got, want := addresses(p), `session.a[0] session.a[1] session.b["x"] session.b["y"] session.c`; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	last := p.Sessions[4]
	if diff := cmp.Diff([]string{`session.b["x"]`, `session.b["y"]`}, last.DependsOn); diff != "" || !last.AfterEnded {
		t.Errorf("depends on (-want +got):\n%s", diff)
	}
	if got := string(b.run(p).work(p.Sessions[2].Jobs[0], "x").Script); got != "echo 2" {
		t.Errorf("each.value: %q", got)
	}
	if got := p.Sessions[3].Jobs[1].Address; got != `session.b["y"]["i-00000000000000002"]` {
		t.Errorf("job address %s", got)
	}
}

func TestUnknownPartsAreNamed(t *testing.T) {
	b := newBench(t, 2)
	p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "first" {
  target = targets.all
  step "v" {
    command  = "v"
    captures = { version = trimspace(self.stdout) }
  }
}
session "s" {
  target = targets.all
  reason = "after ${session.first["i-00000000000000001"].outcome} on ${target.id}"
  step "a" {
    command  = ["v"]
    captures = { n = tonumber(self.stdout) }
  }
  step "b" {
    when    = step.a.captures.n > 1
    command = "set -- ${step.a.captures.n} ${session.first[target.id].step.v.captures.version} ${run.id} ${target.name}"
  }
  step "c" {
    command = ["tag", "v=${step.a.captures.n}", run.started_at, "a b ${step.a.outcome}", "it's", upper("x${step.a.exit_code}")]
  }
  step "d" {
    command = concat(["x"], [for i in [1, 2] : "${i}"], [step.a.outcome])
  }
  step "e" {
    command = "echo %{ if step.a.outcome == "passed" }yes%{ else }no%{ endif }!"
  }
}
`)
	s := p.Sessions[1]
	var got []string
	for _, step := range s.Steps {
		got = append(got, p.Preview(s.Jobs[0], step))
	}
	if diff := cmp.Diff([]string{
		"v",
		"set -- (known after step) (known after session) (known at run) web-01",
		`tag v=(known after step) (known at run) 'a b (known after step)' 'it'\''s' (known after step)`,
		"x 1 2 (known after step)",
		"echo (known after step)!",
	}, got); diff != "" {
		t.Errorf("previews (-want +got):\n%s", diff)
	}
	if want := "after (known after session) on (known for each target)"; s.Reason != want {
		t.Errorf("reason %q, want %q", s.Reason, want)
	}
	if want := "step.a.captures.n > 1"; s.Steps[1].When != want {
		t.Errorf("when %q, want %q", s.Steps[1].When, want)
	}
}

func TestSessionObjectHasEveryTargetAndStep(t *testing.T) {
	b := newBench(t, 2)
	p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "first" {
  target = targets.all
  step "v" {
    command  = "v"
    captures = { version = trimspace(self.stdout) }
  }
  step "each" {
    for_each = toset(["b", "a"])
    command  = each.key
    captures = { k = self.stdout }
  }
  finally "f" { command = "f ${job.failed_step == null ? "none" : job.failed_step}" }
}
session "s" {
  target = targets.all
  step "x" { command = "x ${jsonencode(session.first[target.id].step)}" }
}
output "all" { value = session.first }
`)
	r := b.run(p)
	first := r.session("first")
	labels := []string{first.Steps[1].Label, first.Steps[2].Label, first.Finally[0].Label}
	if diff := cmp.Diff([]string{`each["a"]`, `each["b"]`, "f"}, labels); diff != "" || first.Finally[0].Index != 3 {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := string(r.work(first.Jobs[0], `each["b"]`).Script); got != "b" {
		t.Errorf("step's each.key: %q", got)
	}
	wantOutcome(t, r.judge(first.Jobs[0], "v", "1.0\n", 0), outcome.Passed)
	wantOutcome(t, r.judge(first.Jobs[0], `each["a"]`, "ka", 7), outcome.Failed)
	if got := string(r.work(first.Jobs[0], "f").Script); got != `f each["a"]` {
		t.Errorf("finally: %q", got)
	}
	r.end(first.Jobs[0])

	want := `x {"each":{"a":{"attempt":1,"captures":{"k":null},"duration":1,"exit_code":7,"outcome":"failed"},` +
		`"b":{"attempt":null,"captures":{"k":null},"duration":null,"exit_code":null,"outcome":null}},` +
		`"f":{"attempt":null,"captures":{},"duration":null,"exit_code":null,"outcome":null},` +
		`"v":{"attempt":1,"captures":{"version":"1.0"},"duration":1,"exit_code":0,"outcome":"passed"}}`
	if diff := cmp.Diff(want, string(r.work(r.session("s").Jobs[0], "x").Script)); diff != "" {
		t.Errorf("steps of the job (-want +got):\n%s", diff)
	}
	value := p.Conclude(r.facts).Outputs["all"].Value.decode()
	other := value.GetAttr("i-00000000000000002")
	if !other.GetAttr("outcome").IsNull() || other.GetAttr("target").GetAttr("name").AsString() != "web-02" {
		t.Errorf("the job that did not happen: %#v", other)
	}
}

func TestTargetsOfASession(t *testing.T) {
	for target, want := range map[string]string{
		`targets.all`:                                                 "1 2 3",
		`"i-00000000000000002"`:                                       "2",
		`["i-00000000000000003", targets.one]`:                        "1 3",
		`targets.all["i-00000000000000002"]`:                          "2",
		`[for t in targets.all : t if t.id != "i-00000000000000002"]`: "1 3",
		`keys(targets.all)`:                                           "1 2 3",
		`local.some`:                                                  "1 2",
		`[targets.one, targets.keyed]`:                                "1 2 3",
		`targets.keyed["b"]`:                                          "3",
		`values(targets.all)[*].id`:                                   "1 2 3",
	} {
		p := newBench(t, 3).plan(`
targets "all" { tags = { Role = "web" } }
targets "one" { names = ["web-01"] }
targets "keyed" {
  for_each = { a = "web-02", b = "web-03" }
  names    = [each.value]
}
locals { some = slice(sort(keys(targets.all)), 0, 2) }
session "s" {
  target = ` + target + `
  step "x" { command = "x" }
}
`)
		var got []string
		for _, job := range p.Sessions[0].Jobs {
			got = append(got, strings.TrimLeft(job.Target.ID, "i-0"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", target, got, want)
		}
	}
}

func TestDocumentsDecideTheKind(t *testing.T) {
	docs := map[DocumentRef]Document{
		{"aws", "Shell"}: {Name: "Shell", SessionType: "Standard_Stream", MaxSessionTime: time.Hour, IdleTimeout: 10 * time.Minute},
		{"aws", "Cmd"}:   {Name: "Cmd", SessionType: "NonInteractiveCommands", Parameters: []string{"command", "separateOutputStream"}, Required: []string{"command"}, SeparateOutputStream: true},
		{"aws", "Menu"}:  {Name: "Menu", SessionType: "InteractiveCommands", Parameters: []string{"who", "why"}, Required: []string{"who"}},
		{"aws", "Port"}:  {Name: "Port", SessionType: "Port"},
		{"aws", ""}:      {SessionType: "Standard_Stream", IdleTimeout: 20 * time.Minute},
	}
	for _, c := range []struct {
		platform, session, step string
		kind                    Kind
		document                string
		complaint               string
	}{
		{"Linux", ``, `command = "x"`, KindShell, "", ""},
		{"Windows", ``, `wait = "1s"`, KindCommand, "AWS-StartNonInteractiveCommand", ""},
		{"Windows", ``, `command = "x"`, "", "", "No PowerShell yet"},
		{"Linux", `kind = "command"`, `command = "x"`, KindCommand, "AWS-StartNonInteractiveCommand", ""},
		{"Windows", `kind = "shell"`, `command = "x"`, "", "", "No POSIX shell on Windows"},
		{"Linux", `document = "Shell"`, `command = "x"`, KindShell, "Shell", ""},
		{"Linux", `document = "Cmd"`, `command = "x"`, KindCommand, "Cmd", ""},
		{"Linux", "document = \"Cmd\"\nparameters = { command = [\"ls\"] }", `wait = "1s"`, KindDocument, "Cmd", ""},
		{"Linux", "document = \"Menu\"\nparameters = { who = \"me\" }", `wait = "1s"`, KindDocument, "Menu", ""},
		{"Linux", "document = \"Menu\"\nkind = \"shell\"\nparameters = { who = \"me\" }", `command = "x"`, KindShell, "Menu", ""},
		{"Linux", `document = "Port"`, `local_command = ["psql"]`, KindPort, "Port", ""},
		{"Linux", `document = "Menu"`, `wait = "1s"`, "", "", `Menu needs the parameter "who"`},
		{"Linux", "document = \"Menu\"\nparameters = { who = 1, what = 2 }", `wait = "1s"`, "", "", `Menu has no parameter "what"`},
		{"Linux", "document = \"Menu\"\nparameters = { who = \"me\" }", `command = "x"`, "", "", "Step without a shell"},
		{"Linux", `document = "Nope"`, `command = "x"`, "", "", "No such document"},
		{"Linux", "document = \"Port\"\nkind = \"shell\"", `command = "x"`, "", "", "Kind does not fit the document"},
		{"Linux", `parameters = { a = "b" }`, `command = "x"`, "", "", "Parameters without a document"},
		{"Linux", `kind = "document"`, `wait = "1s"`, "", "", "document"},
		{"Linux", "document = \"Shell\"\ntimeout = \"2h\"", `command = "x"`, "", "", "Timeout over the document's limit"},
		{"Linux", `document = "Shell"`, "command = \"x\"\ntimeout = \"61m\"", "", "", "Timeout over the document's limit"},
	} {
		b := newBench(t, 1)
		b.nodes[0].Platform = c.platform
		b.docs = docs
		p, diags := b.evaluate("targets \"all\" { tags = { Role = \"web\" } }\nsession \"s\" {\ntarget = targets.all\n" + c.session + "\nstep \"x\" {\n" + c.step + "\n}\n}\n")
		if c.complaint != "" {
			if !diags.HasErrors() || !strings.Contains(report(diags), c.complaint) {
				t.Errorf("%s %s: want %q in\n%s", c.platform, c.session, c.complaint, report(diags))
			}
			continue
		}
		if diags.HasErrors() {
			t.Errorf("%s %s:\n%s", c.platform, c.session, report(diags))
			continue
		}
		if job := p.Sessions[0].Jobs[0]; job.Kind != c.kind || job.Document != c.document || p.Sessions[0].Kind != c.kind {
			t.Errorf("%s %s: %s over %q, want %s over %q", c.platform, c.session, job.Kind, job.Document, c.kind, c.document)
		}
	}
}

func TestSilentStepOverTheIdleTimeIsAWarning(t *testing.T) {
	b := newBench(t, 1)
	b.docs[DocumentRef{"aws", ""}] = Document{SessionType: "Standard_Stream", IdleTimeout: 20 * time.Minute}
	p := b.plan(oneStep("command = \"x\"\ntimeout = \"30m\""))
	wantText(t, report(p.Warnings), "Timeout over the idle time", "shell preferences")
}

func TestDocumentsAsked(t *testing.T) {
	b := newBench(t, 1)
	b.write("main.ssm.hcl", `
provider "aws" {
  alias  = "eu"
  region = "eu-west-1"
}
targets "win" {
  platform = "Windows"
  provider = aws.eu
}
targets "all" { names = ["*"] }
session "a" {
  target = targets.win
  step "x" { command = "x" }
}
session "b" {
  for_each = { one = "Doc1", two = "Doc2" }
  document = each.value
  target   = [targets.all, "i-00000000000000001"]
  step "x" { command = "x" }
}
`)
	e := b.evaluator()
	want := []DocumentRef{{"aws", "Doc1"}, {"aws", "Doc2"}, {"aws.eu", ""}, {"aws.eu", "AWS-StartNonInteractiveCommand"}}
	if diff := cmp.Diff(want, e.Documents()); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	selections, _ := e.Selections()
	var got []string
	for _, s := range selections {
		got = append(got, s.Address+" "+s.Provider+" "+s.Platform+strings.Join(s.IDs, ","))
	}
	if diff := cmp.Diff([]string{"targets.win aws.eu Windows", "targets.all aws ", "session.b aws i-00000000000000001"}, got); diff != "" {
		t.Errorf("selections (-want +got):\n%s", diff)
	}
}

func TestPreconditionAndSessionWhen(t *testing.T) {
	source := func(condition string) string {
		return `
targets "all" { tags = { Role = "web" } }
session "first" {
  target = targets.all
  step "v" { command = "v" }
}
session "s" {
  target = targets.all
  when   = session.first[target.id].outcome == "passed"
  precondition {
    condition     = ` + condition + `
    error_message = "${target.name} is not ready."
  }
  step "x" { command = "x" }
}
`
	}
	b := newBench(t, 2)
	wantText(t, b.refuse(source(`target.name != "web-02"`)), `session.s["i-00000000000000002"]: web-02 is not ready.`)

	r := b.run(b.plan(source(`session.first[target.id].step.v.exit_code == 0`)))
	for i, job := range r.session("first").Jobs {
		r.judge(job, "v", "", i)
		r.end(job)
	}
	start, diags := r.plan.PrepareJob(r.session("s").Jobs[0], r.facts)
	if start.Skip || len(diags) > 0 {
		t.Errorf("start %+v %s", start, report(diags))
	}
	start, _ = r.plan.PrepareJob(r.session("s").Jobs[1], r.facts)
	if !start.Skip || start.Why != `session.first[target.id].outcome == "passed" is false` {
		t.Errorf("start %+v", start)
	}
	r = b.run(r.plan)
	for _, job := range r.session("first").Jobs {
		r.job(job).Outcome = outcome.Passed
	}
	_, diags = r.plan.PrepareJob(r.session("s").Jobs[1], r.facts)
	wantText(t, report(diags), "Precondition does not hold", "web-02 is not ready.")
}

func TestChecksThatCannotBeAnsweredAreUnknown(t *testing.T) {
	b := newBench(t, 1)
	p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "s" {
  target = targets.all
  step "x" {
    command  = "x"
    captures = { n = tonumber(self.stdout) }
  }
}
check "sum" {
  assert {
    condition     = sum([for t in session.s : t.step.x.captures.n]) > 0
    error_message = "none"
  }
}
output "sum" { value = sum([for t in session.s : t.step.x.captures.n]) }
`)
	r := b.run(p)
	job := r.session("s").Jobs[0]
	r.judge(job, "x", "5", 1)
	r.end(job)
	c := p.Conclude(r.facts)
	if c.Checks[0].Outcome != outcome.Unknown || c.Outputs["sum"].Known || len(c.Diagnostics) > 0 {
		t.Errorf("conclusion %+v\n%s", c, report(c.Diagnostics))
	}
	r = b.run(p)
	r.judge(job, "x", "5", 0)
	r.end(job)
	c = p.Conclude(r.facts)
	if c.Checks[0].Outcome != outcome.Passed || !c.Outputs["sum"].Value.decode().RawEquals(cty.NumberIntVal(5)) {
		t.Errorf("conclusion %+v\n%s", c, report(c.Diagnostics))
	}
}

func TestScriptsAreReadOnce(t *testing.T) {
	b := newBench(t, 1)
	b.write("files/x.sh", "#!/bin/sh\nexit 3\n")
	p := b.plan(oneStep("script = \"files/x.sh\"\nargs = [\"a b\", target.id]"))
	b.write("files/x.sh", "changed")
	job := p.Sessions[0].Jobs[0]
	w := b.run(p).work(job, "x")
	if string(w.Script) != "#!/bin/sh\nexit 3\n" || w.Action != ActionScript || w.Args[0] != "a b" {
		t.Errorf("work %q %q", w.Script, w.Args)
	}
	if want := "script files/x.sh 'a b' i-00000000000000001"; w.Display != want || p.Preview(job, job.Session.Steps[0]) != want {
		t.Errorf("display %q, preview %q, want %q", w.Display, p.Preview(job, job.Session.Steps[0]), want)
	}
	if len(p.Files) == 0 {
		t.Error("no digest of the script")
	}
}

// A script goes to the program that it names, unless the step names another.
func TestScriptsNameTheirShell(t *testing.T) {
	for first, want := range map[string]string{
		"#!/bin/bash -eu":           "/bin/bash -eu",
		"#! /usr/bin/env python3\r": "python3",
		"#!/usr/bin/env -S bash -e": "bash -e",
		"#!":                        "ksh",
		"echo no":                   "ksh",
		"\n#!/bin/bash":             "ksh",
	} {
		b := newBench(t, 1)
		b.write("x", first+"\necho 1\n")
		p := b.plan(`targets "all" { tags = { Role = "web" } }
			session "s" {
				target = targets.all
				shell  = "ksh"
				step "x" { script = "x" }
				step "y" {
					script = "x"
					shell  = "dash"
				}
			}`)
		job := p.Sessions[0].Jobs[0]
		if got := b.run(p).work(job, "x").Shell; got != want {
			t.Errorf("%q is run by %q, want %q", first, got, want)
		}
		if got := b.run(p).work(job, "y").Shell; got != "dash" {
			t.Errorf("%q is run by %q, want what the step says", first, got)
		}
	}
}

func TestNoFileIsReadDuringARun(t *testing.T) {
	b := newBench(t, 1)
	b.write("one.txt", "one")
	b.write("two.txt", "two")
	p := b.plan(oneStep("command = \"ls\"\ncaptures = { n = self.stdout }\n}\nstep \"y\" {\ncommand = [\"echo\", file(\"one.txt\"), file(\"${step.x.captures.n}.txt\")]"))
	r := b.run(p)
	job := p.Sessions[0].Jobs[0]
	r.judge(job, "x", "one", 0)
	if got := string(r.work(job, "y").Script); got != "echo one one" {
		t.Errorf("work %q", got)
	}
	r.judge(job, "x", "two", 0)
	_, diags := p.Prepare(job, p.Sessions[0].Steps[1], 1, r.facts)
	wantText(t, report(diags), "was not read when the plan was made")
}
