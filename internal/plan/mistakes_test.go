package plan

import (
	"strings"
	"testing"
)

// Each mistake gives a complaint at the place of the mistake, that says what
// to do.
func TestMistakes(t *testing.T) {
	const head = `targets "all" { tags = { Role = "web" } }
`
	session := func(attributes, step string) string {
		return head + "session \"s\" {\n  target = targets.all\n  " + attributes + "\n  step \"x\" {\n    " + step + "\n  }\n}\n"
	}
	for name, c := range map[string]struct {
		source string
		want   []string
	}{
		"unknown id": {
			"session \"s\" {\n  target = \"i-00000000000000099\"\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"2:12-33 Target not found", "i-00000000000000099", "stopped, unknown or not yours"},
		},
		"node twice": {
			head + "session \"s\" {\n  target = [targets.all, \"i-00000000000000001\"]\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"3:12-", "Target named twice", "i-00000000000000001"},
		},
		"guard min": {
			"targets \"all\" {\n  tags = { Role = \"db\" }\n}\nsession \"s\" {\n  target = targets.all\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"1:1-", "No targets", "guard { min = 0 }"},
		},
		"guard max": {
			"targets \"all\" {\n  tags = { Role = \"web\" }\n  guard {\n    max = 1\n  }\n}\nsession \"s\" {\n  target = targets.all\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"Too many targets", "2 targets, and its guard allows 1"},
		},
		"unknown in timeout":     {session("timeout = targets.all[\"i-00000000000000001\"].id", `command = "x"`), []string{"i-00000000000000001", "no length of time"}},
		"unknown env name":       {session("", "command = \"x\"\n    env = { \"A-B\" = 1 }"), []string{"Bad variable name", `"A-B"`}},
		"NUL in a command":       {session("", `command = ["printf", jsondecode("\"\\u0000\"")]`), []string{"NUL byte in command", "stdin"}},
		"empty command":          {session("", `command = []`), []string{"Empty command"}},
		"empty script":           {session("", `command = " \n"`), []string{"Empty command", "when"}},
		"null command":           {session("", `command = null`), []string{"Null in command", "when"}},
		"null in a list":         {session("", `command = ["a", null]`), []string{"list of strings, without null"}},
		"null when":              {session("", "when = null\n    command = \"x\""), []string{"Condition is null"}},
		"when of a wrong type":   {session("", "when = [1]\n    command = \"x\""), []string{"bool"}},
		"user name":              {session("", "command = \"x\"\n    user = \"-rf /\""), []string{"Not a user name"}},
		"stdin of a command":     {session("kind = \"command\"", "command = \"x\"\n    stdin = \"y\""), []string{"7:13-16 Step needs a shell session", "no standard input"}},
		"user of a command":      {session("kind = \"command\"", "command = \"x\"\n    user = \"deploy\""), []string{"7:12-20 Step needs a shell session", "user"}},
		"script that is not":     {session("", `script = "files/none.sh"`), []string{"Script cannot be read", "files/none.sh"}},
		"bad regular expression": {session("", "command = \"x\"\n    expect {\n      stdout { matches = \"(\" }\n    }"), []string{"regular expression"}},
		"bad JMESPath":           {session("", "command = \"x\"\n    expect {\n      stdout { json = \"a[\" }\n    }"), []string{"JMESPath"}},
		"contains nothing":       {session("", "command = \"x\"\n    expect {\n      stdout { contains = \"\" }\n    }"), []string{"found in everything", "lines"}},
		"bad exit code":          {session("", "command = \"x\"\n    expect {\n      exit_code = \"none\"\n    }"), []string{"exit_code"}},
		"exit code too great":    {session("", "command = \"x\"\n    expect {\n      exit_code = 256\n    }"), []string{"8:19-22 Bad exit_code", "no command exits with 256", "0 to 255"}},
		"negative exit code":     {session("", "command = \"x\"\n    expect {\n      exit_code = [0, -1]\n    }"), []string{"no command exits with -1"}},
		"half an exit code":      {session("", "command = \"x\"\n    expect {\n      exit_code = [0, 1.5]\n    }"), []string{"not [0, 1.5]"}},
		"type of a capture": {
			session("", "command = \"a\"\n    captures = { n = tonumber(self.stdout) }\n  }\n  step \"y\" {\n    command = [\"x\", step.x.captures.n.value]"),
			[]string{"attribute"},
		},
		"for_each of a list": {session("for_each = [\"a\"]", `command = "x"`), []string{"for_each", "toset"}},
		"for_each unknown": {
			head + "session \"a\" {\n  target = targets.all\n  step \"x\" { command = \"x\" }\n}\nsession \"b\" {\n  for_each = session.a\n  target = targets.all\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"session"},
		},
		"provider": {session("provider = aws.nowhere", `command = "x"`), []string{"aws.nowhere"}},
		"session cycle": {
			head + "session \"a\" {\n  target = targets.all\n  depends_on = [session.b]\n  step \"x\" { command = \"x\" }\n}\nsession \"b\" {\n  target = targets.all\n  depends_on = [session.a]\n  step \"x\" { command = \"x\" }\n}\n",
			[]string{"session.a", "session.b", "cycle"},
		},
		"local cycle": {"locals {\n  a = local.b\n  b = local.a\n}\n", []string{"local.a", "local.b", "cycle"}},
		"max_output":  {session("max_output = \"lots\"", `command = "x"`), []string{"lots", "64MiB"}},
		"backoff":     {session("", "command = \"x\"\n    retry { backoff = 0.5 }"), []string{"backoff"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := newBench(t, 2).refuse(c.source)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("want %q in\n%s", want, text)
				}
			}
			if lines := strings.Split(text, "\n"); len(lines) > 2 {
				t.Errorf("%d complaints for one mistake:\n%s", len(lines), text)
			}
		})
	}
}

// All mistakes are reported at once, each once however many targets it is on.
func TestMistakesComeAllAtOnce(t *testing.T) {
	text := newBench(t, 5).refuse(`
targets "all" { tags = { Role = "web" } }
session "s" {
  target  = targets.all
  reason  = target.tags.nope
  step "x" {
    command = ["x", target.tags.missing]
  }
  step "y" {
    command  = "y"
    captures = { n = tonumber(target.id) }
  }
}
`)
	if got := len(strings.Split(text, "\n")); got != 3 {
		t.Errorf("%d complaints, want 3:\n%s", got, text)
	}
	wantText(t, text, "5:", "7:", "11:")
}

func TestOfflineTargetsArePlanned(t *testing.T) {
	b := newBench(t, 2)
	b.nodes[1].Online = false
	p := b.plan(oneStep(`command = "x"`))
	if jobs := p.Sessions[0].Jobs; len(jobs) != 2 || jobs[1].Target.Online {
		t.Errorf("jobs %+v", jobs)
	}
}

func TestEmptySelectorIsAWarningWhenAllowed(t *testing.T) {
	p := newBench(t, 0).plan(`
targets "all" {
  tags = { Role = "web" }
  guard { min = 0 }
}
session "s" {
  target = targets.all
  reason = "for ${target.id}"
  step "x" {
    command  = ["x", target.id, target.tags["a"]]
    captures = { v = self.stdout }
  }
}
output "o" { value = [for t in session.s : t.step.x.captures.v] }
`)
	wantText(t, report(p.Warnings), "Session without targets")
	if _, err := p.JSON(); err != nil {
		t.Error(err)
	}
}
