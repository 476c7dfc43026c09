package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// oneStep is a runbook with one session of one step.
func oneStep(step string) string {
	return "targets \"all\" { tags = { Role = \"web\" } }\nsession \"s\" {\ntarget = targets.all\nstep \"x\" {\n" + step + "\n}\n}\n"
}

// said is the judgement in short: `name: expected / got` of what failed.
func said(v Verdict) string {
	var lines []string
	for _, e := range v.Expectations {
		if !e.Passed {
			lines = append(lines, fmt.Sprintf("%s: %s / %s", e.Name, e.Expected, e.Got))
		}
	}
	if len(v.Diagnostics) > 0 {
		lines = append(lines, report(v.Diagnostics))
	}
	return strings.Join(lines, "\n")
}

func TestExpectations(t *testing.T) {
	long := strings.Repeat("line of output\n", 1000)
	huge := strings.Repeat("0123456789abcdef", 9<<16) // 9 MiB
	for _, c := range []struct {
		name, expect   string
		stdout, stderr string
		code           int
		want           string // what failed; "" when it passes
	}{
		{"exit code 0 by default", ``, "", "", 1, "exit_code: 0 / 1"},
		{"exit code of an empty block", `expect {}`, "", "", 0, ""},
		{"one exit code", `expect { exit_code = 3 }`, "", "", 3, ""},
		{"list of exit codes", `expect { exit_code = [0, 3, 4] }`, "", "", 2, "exit_code: 0, 3 or 4 / 2"},
		{"any exit code", `expect { exit_code = "any" }`, "", "", 137, ""},
		{"equals", `expect { 
			stdout { equals = "active\n" }
		}`, "active\n", "", 0, ""},
		{"equals, newline", `expect { 
			stdout { equals = "active" }
		}`, "active\n", "", 0, `stdout equals: "active" / "active\n" (only the end of the last line is different)`},
		{"equals, long", `expect { 
			stdout { equals = "` + strings.ReplaceAll(long, "\n", `\n`) + `" }
		}`, long[:6000] + "X" + long[6001:], "", 0, "stdout equals: \"" + strings.Repeat("line of output\\n", 13) + "line …\" / \"… output\\nline of output\\nline of output\\nline of output\\nXine of output\\nline of output\\nline of output\\nline of output\\nline of output\\nline of output\\nline of output\\nl…\", different from line 401, column 1 on"},
		{"contains", `expect { 
			stdout { contains = "ok" }
		}`, "not o", "", 0, `stdout contains: "ok" / "not o"`},
		{"contains in 9 MiB", `expect { 
			stdout { contains = ["0123", "the end"] }
		}`, huge + "the end", "", 0, ""},
		{"contains, all of a list", `expect { 
			stdout { contains = ["a", "b"] }
		}`, "a", "", 0, `stdout contains: "a", "b" / no "b" in "a"`},
		{"not_contains", `expect { 
			stderr { not_contains = "ERROR" }
		}`, "", long + "x ERROR y\n" + long, 0, `stderr not_contains: not "ERROR" / "…utput\nline of output\nline of output\nline of output\nx ERROR y\nline of output\nline of output\nline of output\nline of output\nline of output\nline of output\nline of …"`},
		{"empty", `expect { 
			stderr { empty = true }
		}`, "", "oops", 0, `stderr empty: no output / "oops"`},
		{"not empty", `expect { 
			stdout { not_empty = true }
		}`, "", "", 0, `stdout not_empty: some output / no output`},
		{"lines", `expect { 
			stdout { lines = 2 }
		}`, "a\nb", "", 0, ``},
		{"lines, wrong", `expect { 
			stdout { lines = 2 }
		}`, "a\n", "", 0, `stdout lines: 2 lines / 1 line`},
		{"matches", `expect { 
			stdout { matches = "version=\\S+" }
		}`, "version=\xff1", "", 0, ``},
		{"matches not", `expect { 
			stdout { matches = "^v[0-9]+$" }
		}`, "v1x", "", 0, `stdout matches: "^v[0-9]+$" / "v1x"`},
		{"matches early in 9 MiB", `expect { 
			stdout { matches = "f0" }
		}`, huge, "", 0, ``},
		{"json", `expect { 
			stdout { json = "status == 'ok' && length(items) == ` + "`2`" + `" }
		}`, `{"status":"ok","items":[1,2]}`, "", 0, ``},
		{"json, false", `expect { 
			stdout { json = "status" }
		}`, `{"status":"bad"}`, "", 0, `stdout json: "status" to be true / "bad"`},
		{"json, none", `expect { 
			stdout { json = "a" }
		}`, `oops`, "", 0, `stdout json: "a" to be true / no JSON (invalid character 'o' looking for beginning of value): "oops"`},
		{"json, one of a list is false", `expect { 
			stdout { json = ["a", "b"] }
		}`, `{"a":true,"b":null}`, "", 0, `stdout json: "a", "b" to be true / null from "b"`},
		{"not_json, one of a list is true", `expect { 
			stdout { not_json = ["a", "b"] }
		}`, `{"a":false,"b":true}`, "", 0, `stdout not_json: not "a", "b" to be true / true from "b"`},
		{"not_json, none of a list is true", `expect { 
			stdout { not_json = ["a", "b"] }
		}`, `{"a":false,"b":3}`, "", 0, ``},
		{"not_contains, one of a list", `expect { 
			stdout { not_contains = ["x", "b"] }
		}`, "abc", "", 0, `stdout not_contains: not "x", "b" / "b" in "abc"`},
		{"within", `expect { within = "500ms" }`, "", "", 0, "within: 500ms / 1s"},
		{"all are reported, in order", `expect {
			stdout { contains = "a" }
			exit_code = 0
			stderr { empty = true }
			within = "2s"
		}`, "b", "c", 1, "stdout contains: \"a\" / \"b\"\nexit_code: 0 / 1\nstderr empty: no output / \"c\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, 1)
			r := b.run(b.plan(oneStep("command = \"x\"\n" + c.expect)))
			v := r.judgeResult(r.session("s").Jobs[0], "x", c.stdout, c.stderr, Result{Attempt: 1, ExitCode: &c.code, Duration: time.Second})
			if diff := cmp.Diff(c.want, said(v)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			want := outcome.Passed
			if c.want != "" {
				want = outcome.Failed
			}
			wantOutcome(t, v, want)
		})
	}
}

func TestStreamsTooLongSaySo(t *testing.T) {
	huge := strings.Repeat("0123456789abcdef", 9<<16)
	for step, want := range map[string]string{
		"command = \"x\"\nexpect {\nstdout { matches = \"zz\" }\n}":                            `stdout has 9437184 bytes, and "matches" reads the first 8388608 only`,
		"command = \"x\"\nexpect {\nstdout { json = \"a\" }\n}":                                `stdout has 9437184 bytes, and "json" reads`,
		"command = \"x\"\ncaptures = { v = self.stdout }":                                      `self.stdout is text of up to 1 MiB`,
		"command = \"x\"\ncaptures = { v = self.stdout_base64 }":                               `self.stdout_base64 takes up to 8388608`,
		"command = \"x\"\nassert {\ncondition = self.stdout != \"\"\nerror_message = \"m\"\n}": `self.stdout_base64`,
	} {
		b := newBench(t, 1)
		r := b.run(b.plan(oneStep(step)))
		v := r.judge(r.session("s").Jobs[0], "x", huge, 0)
		wantOutcome(t, v, outcome.Failed)
		wantText(t, report(v.Diagnostics), want)
	}
}

func TestOutputThatIsNoText(t *testing.T) {
	b := newBench(t, 1)
	r := b.run(b.plan(oneStep("command = \"x\"\ncaptures = { raw = self.stdout_base64 }")))
	v := r.judge(r.session("s").Jobs[0], "x", "\xff\x00", 0)
	wantOutcome(t, v, outcome.Passed)
	if got := v.Captures["raw"].decode(); !got.RawEquals(cty.StringVal("/wA=")) {
		t.Errorf("base64 is %#v", got)
	}
	r = b.run(b.plan(oneStep("command = \"x\"\ncaptures = { raw = self.stdout }")))
	v = r.judge(r.session("s").Jobs[0], "x", "\xff\x00", 0)
	wantOutcome(t, v, outcome.Failed)
	wantText(t, report(v.Diagnostics), "Output is not text", "6:20-31", "stdout_base64")
}

func TestOrderOfJudgement(t *testing.T) {
	b := newBench(t, 1)
	p := b.plan(oneStep(`command = "x"
    expect {
      stdout { contains = "n=" }
    }
    captures = {
      n     = tonumber(regex("n=([0-9]+)", self.stdout)[0])
      extra = self.exit_code == 0 ? null : "x"
    }
    assert {
      condition     = self.captures.n > 2
      error_message = "n is ${self.captures.n}."
    }
    assert {
      condition     = self.duration < 0.5
      error_message = "slow"
    }
    retry {
      attempts = 2
      until    = self.captures.n == 9
    }`))
	r := b.run(p)
	job := r.session("s").Jobs[0]

	v := r.judge(job, "x", "none", 0)
	if got, want := said(v), "stdout contains: \"n=\" / \"none\"\nassert: self.duration < 0.5 / false (self.duration = 1)"; got != want {
		t.Errorf("captures are not there, so what needs them is not tried:\n%s\nwant\n%s", got, want)
	}
	v = r.judge(job, "x", "n=1", 0)
	if v.Expectations[2].Message != "n is 1." || v.Expectations[2].Got != "false (self.captures.n = 1)" {
		t.Errorf("assert: %+v", v.Expectations[2])
	}
	fast := Result{Attempt: 1, ExitCode: new(int), Duration: time.Millisecond}
	v = r.judgeResult(job, "x", "n=5", "", fast)
	if got, want := said(v), "until: self.captures.n == 9 / false (self.captures.n = 5)"; got != want || !v.Retry {
		t.Errorf("until: %s, retry %v; want %s", got, v.Retry, want)
	}
	fast.Attempt = 2
	if v = r.judgeResult(job, "x", "n=5", "", fast); v.Retry || v.Outcome != outcome.Failed {
		t.Errorf("after the last attempt: retry %v, %s", v.Retry, v.Outcome)
	}
	if v = r.judgeResult(job, "x", "n=9", "", fast); v.Outcome != outcome.Passed {
		t.Errorf("did not pass: %s", said(v))
	}
	if extra := v.Captures["extra"].decode(); !extra.IsNull() {
		t.Errorf("null capture is %#v", extra)
	}
	v = r.judge(job, "x", "n=99999999999999999999999999", 0)
	if v.Outcome == outcome.Passed {
		t.Error("a slow attempt passed")
	}
}

func TestTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		session, step string
		took          time.Duration
		want, at      string
	}{
		"of the step":     {"5m", `timeout = "90s"`, 90*time.Second + 120*time.Millisecond, "within 1m30s / stopped after 1m30.1s", `"90s"`},
		"a little early":  {"5m", `timeout = "1s"`, 997 * time.Millisecond, "within 1s / stopped after 997ms", `"1s"`},
		"of the session":  {"5m", `timeout = "90s"`, 12 * time.Second, "before the session's timeout of 5m0s / stopped after 12s", `"5m"`},
		"of all attempts": {"", "", 12 * time.Second, "in the 40s for all attempts / stopped after 12s", `"40s"`},
	} {
		t.Run(name, func(t *testing.T) {
			source := "targets \"all\" { tags = { Role = \"web\" } }\nsession \"s\" {\ntarget = targets.all\n"
			if c.session != "" {
				source += fmt.Sprintf("timeout = %q\n", c.session)
			}
			source += "step \"x\" {\ncommand = \"x\"\n" + c.step + "\nretry {\nattempts = 2\nwithin = \"40s\"\n}\n}\n}\n"
			r := newBench(t, 1).run(newBench(t, 1).plan(source))
			code := 143
			v := r.judgeResult(r.session("s").Jobs[0], "x", "half", "", Result{Attempt: 1, ExitCode: &code, TimedOut: true, Duration: c.took})
			wantOutcome(t, v, outcome.TimedOut)
			if got, want := said(v), "timeout: to end "+c.want; got != want || !v.Retry {
				t.Errorf("%s, want %s, retry %v", got, want, v.Retry)
			}
			if at := v.Expectations[0].Range; source[at.Start.Byte:at.End.Byte] != c.at {
				t.Errorf("at %s, want %s", source[at.Start.Byte:at.End.Byte], c.at)
			}
		})
	}
}

func TestMissingExitCodeDoesNotPass(t *testing.T) {
	b := newBench(t, 1)
	r := b.run(b.plan(oneStep("command = \"x\"\nexpect { exit_code = \"any\" }")))
	v := r.judgeResult(r.session("s").Jobs[0], "x", "", "", Result{Attempt: 1, Signal: "KILL"})
	if got, want := said(v), "exit_code: any / killed by KILL"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestZeroRecordingAndNilStreams(t *testing.T) {
	b := newBench(t, 1)
	p := b.plan(oneStep("command = \"x\"\nexpect {\nstdout { empty = true }\n}"))
	code := 0
	job := p.Sessions[0].Jobs[0]
	facts := &Facts{Jobs: map[string]*JobFacts{}}
	wantOutcome(t, p.Judge(job, p.Sessions[0].Steps[0], facts, Result{Attempt: 1, ExitCode: &code}), outcome.Passed)
	var recording Recording
	write(t, &recording, "text")
	wantOutcome(t, p.Judge(job, p.Sessions[0].Steps[0], facts, Result{Attempt: 1, ExitCode: &code, Stdout: &recording}), outcome.Failed)
}

func TestWaitAndApproveHaveNoExitCode(t *testing.T) {
	b := newBench(t, 1)
	r := b.run(b.plan(oneStep("wait = \"30s\"")))
	job := r.session("s").Jobs[0]
	if w := r.work(job, "x"); w.Wait != 30*time.Second || w.Display != "wait 30s" {
		t.Errorf("work %+v", w)
	}
	wantOutcome(t, r.judgeResult(job, "x", "", "", Result{Attempt: 1}), outcome.Passed)
}

// A stream of any length costs what its expectations need.
func TestRecordingIsBounded(t *testing.T) {
	b := newBench(t, 1)
	for step, limit := range map[string]int{
		"command = \"x\"\nexpect {\nstdout { contains = \"zz\" }\n}": testLimit,
		"command = \"x\"": headLimit,
		"command = \"x\"\ncaptures = { v = self.stdout }":          textLimit,
		"command = \"x\"\nexpect {\nstdout { matches = \"z\" }\n}": wholeLimit,
	} {
		r := b.run(b.plan(oneStep(step)))
		job := r.session("s").Jobs[0]
		stdout, _ := r.plan.Record(job, job.Session.Steps[0], r.facts)
		chunk := []byte(strings.Repeat("x", 32<<10))
		for range 10 << 20 / len(chunk) {
			stdout.Write(chunk)
		}
		if len(stdout.kept) != limit || len(stdout.tail) > tailLimit || stdout.Bytes() != 10<<20 {
			t.Errorf("%s: kept %d and %d of %d", step, len(stdout.kept), len(stdout.tail), stdout.Bytes())
		}
	}
}
