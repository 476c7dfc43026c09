package hclspec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rawRunbook is a runbook whose second step has the given arguments.
const rawRunbook = `
variable "name" {
  type = string
}
variable "port" {
  type = number
}
variable "app" {
  type = object({ port = number, user = string })
}
variable "list" {
  type = list(string)
}
locals {
  fixed  = "nginx"
  made   = "unit-${var.name}"
  quoted = shellquote(var.name)
}
targets "web" {
  names = ["web-*"]
}
session "other" {
  target = targets.web
  step "a" {
    command  = ["id"]
    captures = { who = self.stdout }
  }
}
session "s" {
  target = targets.web
  after  = "ended"
  step "first" {
    command  = ["id"]
    captures = { text = trimspace(self.stdout), number = tonumber(self.stdout) }
  }
  step "second" {
%s
  }
}
`

// raw returns what is warned of, as "line of the step: name".
func raw(t *testing.T, step string) (names []string) {
	t.Helper()
	_, diags := LoadRunbook(writeFiles(t, map[string]string{"main.ssm.hcl": fmt.Sprintf(rawRunbook, step)}))
	for _, d := range diags {
		if d.Severity != SeverityWarning {
			t.Fatalf("%s: %s: %s", d.Subject, d.Summary, d.Detail)
		}
		if d.Summary != "Raw value in a shell command" || d.Subject.Start.Line < 37 {
			t.Fatalf("got %s: %s", d.Subject, d.Summary)
		}
		name, _, _ := strings.Cut(d.Detail, " goes into")
		_, mend, _ := strings.Cut(d.Detail, " Write ")
		quoter, _, _ := strings.Cut(mend, "(")
		names = append(names, quoter+" "+name)
	}
	slices.Sort(names)
	return names
}

func TestRawValuesInShellTextAreWarnedOf(t *testing.T) {
	for step, want := range map[string][]string{
		`command = "restart ${var.name}"`:                                                  {"shellquote var.name"},
		`command = "restart '${var.name}'"`:                                                {"shellquote var.name"},
		"command = <<-EOT\n      restart ${var.name}\n      port ${var.app.user}\n    EOT": {"shellquote var.app.user", "shellquote var.name"},
		`command = "kill ${step.first.captures.text}"`:                                     {"shellquote step.first.captures.text"},
		`command = step.first.captures.text`:                                               {"shellquote step.first.captures.text"},
		`command = "echo ${target.name} ${target.tags["Role"]}"`:                           {"shellquote target.name", `shellquote target.tags["Role"]`},
		`command = "echo ${local.made}"`:                                                   {"shellquote local.made"},
		`command = join(" ", ["rm", var.name])`:                                            {"shellquote var.name"},
		`command = "%{for x in var.list}rm ${x};%{endfor}"`:                                {"shellquote x"},
		`command = "%{if var.port > 1}rm ${var.name}%{endif}"`:                             {"shellquote var.name"},
		`command = "echo ${[for o in session.other : o.step.a.captures.who][0]}"`:          nil,
		`command = ["sh", "-c", "rm ${var.name}"]`:                                         {"shellquote var.name"},
		`command = ["sudo", "bash", "-ec", "rm ${var.name}"]`:                              {"shellquote var.name"},
		`command = ["pwsh", "-NoProfile", "-Command", "rm ${var.name}"]`:                   {"powershellquote var.name"},
		"command = \"rm ${var.name}\"\n    shell = \"pwsh\"":                               {"powershellquote var.name"},
		"command = \"rm ${var.name}\"\n    shell = \"/bin/bash -eu\"":                      {"shellquote var.name"},
		"local_command = \"rm ${var.name}\"":                                               {"shellquote var.name"},
		"reboot {\n      command = \"reboot ${var.name}\"\n    }":                          {"shellquote var.name"},
		"for_each = toset(var.list)\n    command = \"rm ${each.key}\"":                     {"shellquote each.key"},
		"for_each = { a = var.name }\n    command = \"rm ${each.value}\"":                  {"shellquote each.value"},
	} {
		if got := raw(t, "    "+step); !cmp.Equal(got, want) {
			t.Errorf("%s\ngot %q, want %q", step, got, want)
		}
	}
}

func TestQuotedAndHarmlessValuesAreNotWarnedOf(t *testing.T) {
	for _, step := range []string{
		`command = ["restart", var.name, "-c", step.first.captures.text]`,
		`command = ["echo", "sh", "-x", var.name]`,
		`command = "restart ${shellquote(var.name)}"`,
		`command = "restart ${shellquote("unit-${var.name}")} ${local.quoted}"`,
		`command = "%{for x in var.list}rm ${shellquote(x)};%{endfor}"`,
		`command = join(" ", [for x in var.list : shellquote(x)])`,
		`command = "restart ${local.fixed}; sleep ${var.port} ${var.app.port} ${var.port + 1}"`,
		`command = "test ${step.first.exit_code} ${step.first.captures.number} ${target.id} ${run.id}"`,
		`command = "echo ${base64encode(var.name)} | base64 -d"`,
		`command = "echo ${length(var.list)} ${var.name == "x" ? "yes" : "no"}"`,
		`command = templatefile("x.tftpl", { name = var.name })`,
		`command = var.name`,
		"command = \"echo $NAME\"\n    env = { NAME = var.name }",
		"command = \"cat\"\n    stdin = \"${var.name}\"",
		"command = \"cd\"\n    dir = \"/srv/${local.fixed}\"",
		"command = \"print('${var.name}')\"\n    shell = \"python3\"",
		"for_each = toset([\"a\", \"b\"])\n    command = \"rm ${each.key}\"",
		"for_each = { a = var.name }\n    command = \"rm ${each.key}\"",
		"script = \"x.sh\"\n    args = [var.name]",
	} {
		if got := raw(t, "    "+step); len(got) > 0 {
			t.Errorf("%s\ngot %q", step, got)
		}
	}
}
