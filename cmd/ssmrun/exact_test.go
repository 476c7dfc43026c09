package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// exactStep is a step whose bytes the test makes itself: the remote commands
// use awk, seq and printf, the expectation is computed in Go.
type exactStep struct {
	name   string
	script string // for the remote shell; $N is the node's number
	exit   int
	stdout func(node int) []byte
	stderr func(node int) []byte
}

const tenMB = 10 << 20

// exactSteps are five steps with all the bytes that a pty and the agent's
// UTF-8 handling would spoil, and the exit codes that matter.
var exactSteps = []exactStep{
	{
		name:   "empty",
		script: "exit 0",
		stdout: func(int) []byte { return nil },
		stderr: func(int) []byte { return nil },
	},
	{
		name:   "no_newline",
		script: `printf 'node %d says no newline' "$N"; printf 'warning\r\n%d' "$N" >&2; exit 1`,
		exit:   1,
		stdout: func(n int) []byte { return fmt.Appendf(nil, "node %d says no newline", n) },
		stderr: func(n int) []byte { return fmt.Appendf(nil, "warning\r\n%d", n) },
	},
	{
		name:   "bytes",
		script: `printf '\357\277\275abc\377\376\000\001\033[31m\200'; printf '\000\357\277\275' >&2; exit 7`,
		exit:   7,
		stdout: func(int) []byte { return []byte("\xef\xbf\xbdabc\xff\xfe\x00\x01\x1b[31m\x80") },
		stderr: func(int) []byte { return []byte("\x00\xef\xbf\xbd") },
	},
	{
		name:   "missing",
		script: `printf '%s\n' "$N" "$N"; exec 2>/dev/null; no-such-command-$N`,
		exit:   127,
		stdout: func(n int) []byte { return fmt.Appendf(nil, "%d\n%d\n", n, n) },
		stderr: func(int) []byte { return nil },
	},
	{
		// On a few nodes 10 MB of text and bytes, on the others a little.
		name:   "large",
		script: `if [ $((N % 100)) -eq 0 ]; then seq "$N" 2000000 | head -c 10485760 | tr 0-4 '\360-\364'; else seq 1 "$N"; fi; exit 137`,
		exit:   137,
		stdout: largeOutput,
		stderr: func(int) []byte { return nil },
	},
}

func largeOutput(n int) []byte {
	if n%100 != 0 {
		return numbers(1, n)
	}
	out := numbers(n, 2000000)[:tenMB]
	for i, c := range out {
		if '0' <= c && c <= '4' {
			out[i] = c - '0' + 0xf0
		}
	}
	return out
}

// numbers is what seq prints.
func numbers(from, to int) []byte {
	var out []byte
	for i := from; i <= to; i++ {
		out = append(strconv.AppendInt(out, int64(i), 10), '\n')
	}
	return out
}

// TestApplyIsExact runs five steps on 200 nodes with the agent's habits on and
// compares every byte of every stream of every node.
func TestApplyIsExact(t *testing.T) {
	nodes := fleetSize()
	dir := t.TempDir()
	writeExactRunbook(t, dir, nodes, "")
	result := runCommand(t, dir, "apply", "-lab", "-auto-approve", "-no-color")
	if result.code != 0 {
		t.Fatalf("exit code %d, want 0\n%s\n%s", result.code, tail(result.stdout), tail(result.stderr))
	}
	compareOutputs(t, dir, nodes)
}

// fleetSize is how many nodes are enough to show what holds for a fleet.
func fleetSize() int {
	if testing.Short() {
		return 20
	}
	return 200
}

// TestOneFailureIsNamed lets one step of one node fail: the run exits with 3
// and says where, what, and which line of the runbook wanted it.
func TestOneFailureIsNamed(t *testing.T) {
	dir := t.TempDir()
	writeExactRunbook(t, dir, fleetSize(), "7")
	result := runCommand(t, dir, "apply", "-lab", "-auto-approve", "-no-color")
	if result.code != 3 {
		t.Fatalf("exit code %d, want 3\n%s\n%s", result.code, result.stdout, result.stderr)
	}
	for _, want := range []string{nodeID(7), "bytes", "exit_code", "expected 7", "got 99", "exact.ssm.hcl:" + strconv.Itoa(exitCodeLine(t, dir, "bytes"))} {
		if !strings.Contains(result.stdout, want) {
			t.Errorf("the output does not name %q:\n%s", want, tail(result.stdout))
		}
	}
}

// writeExactRunbook writes the runbook and the lab. On the node numbered broken
// the step "bytes" ends with another code than expected.
func writeExactRunbook(t *testing.T, dir string, nodes int, broken string) {
	t.Helper()
	var book, lab strings.Builder
	book.WriteString("targets \"all\" {\n  names = [\"n*\"]\n}\n\nsession \"exact\" {\n  target = targets.all\n  rollout {\n    waves        = [\"100%\"]\n    max_failures = \"100%\"\n    max_parallel = 50\n  }\n")
	for _, s := range exactSteps {
		script := s.script
		if s.name == "bytes" && broken != "" {
			script = "[ \"$N\" = " + broken + " ] && exit 99\n" + script
		}
		fmt.Fprintf(&book, "  step %q {\n    command = <<-EOT\n", s.name)
		for line := range strings.Lines(script + "\n") {
			book.WriteString("      " + line)
		}
		fmt.Fprintf(&book, "    EOT\n    expect {\n      exit_code = %d\n    }\n  }\n", s.exit)
	}
	book.WriteString("}\n")
	for n := 1; n <= nodes; n++ {
		fmt.Fprintf(&lab, "nodes \"n%d\" {\n  ids = [%q]\n  env = { N = \"%d\" }\n}\n", n, nodeID(n), n)
	}
	write(t, filepath.Join(dir, "exact.ssm.hcl"), book.String())
	write(t, filepath.Join(dir, "exact.lab.hcl"), lab.String())
}

func nodeID(n int) string { return fmt.Sprintf("i-%017x", n) }

// exitCodeLine is the line on which a step says what exit code it expects.
func exitCodeLine(t *testing.T, dir, step string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "exact.ssm.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		inside = inside || strings.Contains(line, "step \""+step+"\"")
		if inside && strings.Contains(line, "exit_code") {
			return i + 1
		}
	}
	t.Fatalf("step %s has no exit_code", step)
	return 0
}

// compareOutputs compares every output file with the bytes the test makes.
func compareOutputs(t *testing.T, dir string, nodes int) {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(dir, ".ssmrun", "runs", "*", "output"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("got %d runs in %s (%v), want 1", len(runs), dir, err)
	}
	for n := 1; n <= nodes; n++ {
		for i, s := range exactSteps {
			base := filepath.Join(runs[0], "exact", nodeID(n), fmt.Sprintf("%02d-%s", i+1, s.name))
			compareFile(t, base+".stdout", s.stdout(n))
			compareFile(t, base+".stderr", s.stderr(n))
		}
	}
}

func compareFile(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes (sha256 %x), want %d (%x)", name, len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// tail is the end of a long text.
func tail(s string) string { return s[max(0, len(s)-4000):] }
