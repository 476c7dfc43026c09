package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// canary is a secret that must never be seen.
const canary = "hunter2-canary-8f3a"

const secretVariables = `
variable "password" {
  type      = string
  sensitive = true
}
variable "flag" {
  type      = bool
  default   = true
  sensitive = true
}
variable "number" {
  type      = number
  default   = 3
  sensitive = true
}
targets "all" { tags = { Role = "web" } }
locals {
  url = "https://admin:${var.password}@localhost/"
}
`

func secretBench(t testing.TB) *bench {
	b := newBench(t, 2)
	b.values = map[string]cty.Value{"password": cty.StringVal(canary).Mark(hclspec.MarkSensitive)}
	return b
}

func TestSensitiveValuesAreRefusedWhereTheyWouldShow(t *testing.T) {
	session := func(attributes, step string) string {
		return secretVariables + `
session "s" {
` + attributes + `
  step "x" {
` + step + `
  }
}
`
	}
	on := "  target = targets.all\n"
	command := "    command = [\"true\"]\n"
	for name, source := range map[string]string{
		"target":               session("  target = \"i-${var.password}\"\n", command),
		"reason":               session(on+"  reason = \"ticket ${var.password}\"\n", command),
		"timeout":              session(on+"  timeout = var.password\n", command),
		"for_each":             session(on+"  for_each = toset([var.password])\n", command),
		"count":                session(on+"  count = var.number\n", command),
		"when":                 session(on, "    when = var.password == \"x\"\n"+command),
		"session when":         session(on+"  when = var.flag\n", command),
		"document":             session(on+"  document = var.password\n", command),
		"rollout":              session(on+"  rollout { max_failures = var.number }\n", command),
		"dir":                  session(on, "    dir = \"/srv/${var.password}\"\n"+command),
		"user":                 session(on, "    user = var.password\n"+command),
		"script":               session(on, "    script = var.password\n"),
		"step for_each":        session(on, "    for_each = { a = 1, (var.password) = 2 }\n"+command),
		"parameters":           session(on+"  document = \"Ours\"\n  parameters = { who = [var.password] }\n", "    wait = \"1s\"\n"),
		"command kind command": session(on+"  kind = \"command\"\n", "    command = [\"login\", var.password]\n"),
		"command kind env":     session(on+"  kind = \"command\"\n", "    env = { PASSWORD = local.url }\n"+command),
		"command kind stdin":   session(on+"  kind = \"command\"\n", "    stdin = var.password\n"+command),
		"output":               session(on, command) + "output \"o\" { value = local.url }\n",
		"selector":             session(on, command) + "targets \"other\" { tags = { Role = var.password } }\n",
		"names":                session(on, "    env = { (var.password) = \"x\" }\n"+command),
	} {
		t.Run(name, func(t *testing.T) {
			b := secretBench(t)
			b.docs[DocumentRef{"aws", "Ours"}] = Document{Name: "Ours", SessionType: "InteractiveCommands", Parameters: []string{"who"}}
			text := b.refuse(source)
			if !strings.Contains(strings.ToLower(text), "sensitive") {
				t.Errorf("the complaint does not say sensitive:\n%s", text)
			}
			if strings.Contains(text, canary) {
				t.Errorf("the complaint has the secret in it:\n%s", text)
			}
		})
	}
}

func TestSensitiveRangeIsExact(t *testing.T) {
	b := secretBench(t)
	text := b.refuse(secretVariables + `session "s" {
  target = targets.all
  reason = "ticket ${local.url} for ${var.flag}"
  step "x" { command = ["true"] }
}
`)
	wantText(t, text, "22:22-31 Sensitive value in reason")
}

const secretRunbook = secretVariables + `
session "s" {
  target = targets.all
  env    = { TOKEN = base64encode(var.password) }

  step "login" {
    command = ["login", "--password", var.password, "--url=${local.url}", "on ${target.id}"]
    stdin   = "${var.password}\n"
    captures = { token = trimspace(self.stdout) }
  }
  step "secret" {
    sensitive = true
    command   = "cat /secret"
    captures  = { token = self.stdout }
  }
  step "use" {
    command = ["use", step.secret.captures.token, step.login.captures.token]
    expect {
      stdout {
        contains     = step.secret.captures.token
        not_contains = var.password
      }
    }
    assert {
      condition     = self.stdout == var.password
      error_message = "not ${var.password}"
    }
  }
}
session "later" {
  target = targets.all
  step "use" {
    command = ["echo", session.s[target.id].step.secret.captures.token]
  }
}
check "c" {
  assert {
    condition     = alltrue([for t in session.s : t.step.secret.captures.token == "x"])
    error_message = "token of ${local.url}"
  }
}
output "token" {
  sensitive = true
  value     = { for id, t in session.s : id => t.step.secret.captures.token }
}
`

// A secret must be in what is sent and in what is concealed, and nowhere else.
func TestSecretIsNeverShown(t *testing.T) {
	b := secretBench(t)
	p := b.plan(secretRunbook)
	r := b.run(p)
	s := r.session("s")
	job := s.Jobs[0]
	shown := []string{report(p.Warnings)}

	document, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(document))
	for _, step := range s.Steps {
		shown = append(shown, p.Preview(job, step))
	}
	wantText(t, p.Preview(job, s.Steps[0]), "login --password (sensitive value) --url=(sensitive value) 'on i-00000000000000001'")
	wantText(t, p.Preview(job, s.Steps[2]), "use (sensitive value) (known after step)")

	start, diags := p.PrepareJob(job, r.facts)
	shown = append(shown, report(diags), start.Reason)
	concealed := start.Conceal
	login := r.work(job, "login")
	wantText(t, string(login.Script), canary)
	wantText(t, login.Display, "login --password (sensitive value) --url=(sensitive value)")
	shown = append(shown, login.Display)
	concealed = append(concealed, login.Conceal...)
	for _, want := range []string{canary, "https://admin:" + canary + "@localhost/", "aHVudGVyMi1jYW5hcnktOGYzYQ=="} {
		if !contains(concealed, want) {
			t.Errorf("%q is not concealed: %q", want, concealed)
		}
	}

	wantOutcome(t, r.judge(job, "login", "token1\n", 0), outcome.Passed)
	v := r.judge(job, "secret", canary+"-2", 0)
	wantOutcome(t, v, outcome.Passed)
	if !contains(v.Conceal, canary+"-2") || !v.Captures["token"].Sensitive {
		t.Errorf("sensitive capture: %+v", v)
	}
	encoded, err := json.Marshal(r.facts)
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(encoded))
	use := r.work(job, "use")
	wantText(t, string(use.Script), canary+"-2", "token1")
	wantText(t, use.Display, "use (sensitive value) token1")
	shown = append(shown, use.Display)

	v = r.judge(job, "use", "x "+canary, 0)
	wantOutcome(t, v, outcome.Failed)
	for _, e := range v.Expectations {
		shown = append(shown, e.Expected, e.Message, e.Got)
	}
	r.end(job)
	c := p.Conclude(r.facts)
	shown = append(shown, report(c.Diagnostics), c.Checks[0].Message)
	encoded, err = json.Marshal(c.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(encoded))
	for _, text := range shown {
		if strings.Contains(text, canary) {
			t.Errorf("the secret shows in\n%s", text)
		}
	}
}

// After a resume a sensitive capture is gone; that must be said, not sent.
func TestLostSensitiveCaptureIsAMistake(t *testing.T) {
	b := secretBench(t)
	r := b.run(b.plan(secretRunbook))
	job := r.session("s").Jobs[0]
	r.judge(job, "login", "t\n", 0)
	r.judge(job, "secret", "s", 0)
	encoded, err := json.Marshal(r.facts)
	if err != nil {
		t.Fatal(err)
	}
	r.facts = &Facts{}
	if err := json.Unmarshal(encoded, r.facts); err != nil {
		t.Fatal(err)
	}
	_, diags := r.plan.Prepare(job, job.Session.step(t, "use"), 1, r.facts)
	wantText(t, report(diags), "Value not available", "resumed")
	login := r.facts.Jobs[job.Address].Steps["login"].Captures["token"].decode()
	if !login.RawEquals(cty.StringVal("t")) {
		t.Errorf("plain capture came back as %#v", login)
	}
}

func TestCommandKindMayBeToldToSendSecrets(t *testing.T) {
	b := secretBench(t)
	p := b.plan(secretVariables + `
session "s" {
  target                     = targets.all
  kind                       = "command"
  allow_sensitive_parameters = true
  step "x" { command = ["login", var.password] }
}
`)
	r := b.run(p)
	w := r.work(r.session("s").Jobs[0], "x")
	wantText(t, string(w.Script), canary)
	if !contains(w.Conceal, canary) {
		t.Errorf("not concealed: %q", w.Conceal)
	}
}

// Every kind of place takes a marked value without a panic, and nothing that
// is not sensitive comes out of one.
func TestMarkedValuesNeverPanic(t *testing.T) {
	exprs := []string{
		`var.password`, `upper(var.password)`, `"${var.password}"`, `[var.password]`, `{ a = var.password }`,
		`var.flag ? "a" : "b"`, `[for c in split("-", var.password) : c]`, `length(var.password)`, `jsonencode({ p = var.password })`,
		`try(var.password, "")`, `can(regex("x", var.password))`, `merge({ a = 1 }, { b = var.password })`, `tonumber(var.number) + 1`,
		`!var.flag`, `toset([var.password])`, `{ for k in [var.password] : k => k }`, `null`, `coalesce(null, var.password)`,
		`substr(var.password, 0, 2)`, `var.password == "x"`, `templatestring("$${p}", { p = var.password })`, `sensitive("q")`, `base64encode(var.password)`,
	}
	places := []string{
		"command = %", "command = [%]", "env = %\ncommand = \"x\"", "env = { A = % }\ncommand = \"x\"", "stdin = %\ncommand = \"x\"",
		"when = %\ncommand = \"x\"", "wait = %", "approve = %", "local_command = %", "command = \"x\"\ncaptures = { v = % }",
		"command = \"x\"\nexpect {\nexit_code = %\n}", "command = \"x\"\nexpect {\nstdout { contains = % }\n}", "command = \"x\"\nexpect {\nstdout { json = % }\n}",
		"command = \"x\"\nassert {\ncondition = %\nerror_message = \"m\"\n}", "command = \"x\"\nassert {\ncondition = self.exit_code == 1\nerror_message = %\n}",
		"command = \"x\"\nretry { until = % }", "for_each = %\ncommand = \"x\"", "dir = %\ncommand = \"x\"", "timeout = %\ncommand = \"x\"",
	}
	for _, place := range places {
		for _, expr := range exprs {
			b := secretBench(t)
			p, diags := b.evaluate(secretVariables + "session \"s\" {\ntarget = targets.all\nstep \"x\" {\n" + strings.ReplaceAll(place, "%", expr) + "\n}\n}\n")
			text := report(diags)
			if p != nil {
				r := b.run(p)
				job := r.session("s").Jobs[0]
				for _, step := range job.Session.Steps {
					work, diags := p.Prepare(job, step, 1, r.facts)
					v := r.judge(job, step.Label, "out "+canary, 1)
					text += p.Preview(job, step) + work.Display + report(diags) + report(v.Diagnostics)
					for _, e := range v.Expectations {
						text += e.Expected + e.Message
					}
				}
				document, _ := p.JSON()
				text += string(document)
			}
			if strings.Contains(text, canary) || strings.Contains(text, "internal error") {
				t.Errorf("%s with %s:\n%s", strings.ReplaceAll(place, "\n", "; "), expr, text)
			}
		}
	}
}

func contains(list []string, v string) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}
