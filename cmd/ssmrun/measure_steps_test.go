//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var measureSteps = flag.Int("measure.steps", 500, "steps of the session that -measure times")

// servers are what a node has to have for each step server to be taken.
var servers = map[string][]string{"perl": {"python*"}, "python3": {"perl*"}, "sh": {"perl*", "python*"}}

// TestMeasureSteps prints what a small step takes that follows another in one
// session, for each step server: its time without a network and with 50 ms one
// way, and the processor time of the target and of the client. Lab and client are
// processes of their own, the agent has its habits, and the journal is synced.
func TestMeasureSteps(t *testing.T) {
	inEarnest, steps, which := measures(t), *measureSteps, []string{"perl", "python3", "sh"}
	if !inEarnest {
		steps, which = 5, which[:1]
	}
	for _, server := range which {
		t.Run(server, func(t *testing.T) {
			lab := "nodes \"n\" {\n  ids = [\"" + besideTarget + "\"]\n  env = { PATH = \"" + programsWithout(t, servers[server]...) + "\" }\n}\n"
			near := timeSteps(t, lab, steps)
			one := timeSteps(t, lab, 1)
			far := timeSteps(t, lab+"faults {\n  latency = \"50ms\"\n}\n", steps)
			t.Logf("%d steps: %.1f ms a step, %.1f ms at 50 ms one way, difference %.1f ms; CPU a step: target %.1f ms, client %.2f ms", steps,
				ms(near.step), ms(far.step), ms(far.step-near.step), ms(near.target), ms((near.client-one.client)/time.Duration(max(steps-1, 1))))
		})
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// programsWithout is a PATH of this machine's programs but those of these names.
func programsWithout(t testing.TB, patterns ...string) string {
	t.Helper()
	dir := readable(t)
	entries, err := os.ReadDir("/usr/bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left := false
		for _, pattern := range patterns {
			match, _ := filepath.Match(pattern, entry.Name())
			left = left || match
		}
		if left {
			continue
		}
		if err := os.Symlink(filepath.Join("/usr/bin", entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readable is a temporary directory that other users can read, as whom nodes run.
func readable(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stepTimes are medians of a session's steps, and of the whole client.
type stepTimes struct {
	step   time.Duration // from the end of one to the end of the next
	target time.Duration // of the node's processes, a step
	client time.Duration // of the run
}

// timeSteps runs n small steps over one session of a lab.
func timeSteps(t testing.TB, lab string, n int) stepTimes {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "n.lab.hcl"), lab)
	write(t, filepath.Join(dir, "m.ssm.hcl"), fmt.Sprintf(`
session "m" {
  target = %q
  step "s" {
    for_each = toset([for i in range(%d) : format("%%05d", i)])
    command  = "echo hello"
    expect {
      stdout { equals = "hello\n" }
    }
  }
}
`, besideTarget, n))
	served := startLab(t, dir, false)
	cmd := command(dir, "apply", "-auto-approve", "-json")
	cmd.Env = append(os.Environ(), served.environ...)
	var s stepTimes
	var ends []time.Duration
	var last time.Time
	var first, final time.Duration
	s.client = runEvents(t, cmd, func(e logged) {
		if e.Type != "step_complete" {
			return
		}
		if !last.IsZero() {
			ends = append(ends, e.At.Sub(last))
		}
		last = e.At
		if len(ends) == 1 {
			first = nodeTime(served.cmd.Process.Pid)
		} else if len(ends) == n-2 {
			final = nodeTime(served.cmd.Process.Pid)
		}
	})
	if len(ends) != n-1 {
		t.Fatalf("%d steps ended, want %d", len(ends)+1, n)
	}
	if n > 3 {
		s.step, s.target = median(ends), (final-first)/time.Duration(n-3)
	}
	return s
}

// runEvents runs `apply -json`, which has to pass, and returns its CPU time.
func runEvents(t testing.TB, cmd *exec.Cmd, see func(logged)) time.Duration {
	t.Helper()
	stdout, stderr := started(t, cmd)
	if err := events(stdout, see); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, tail(stderr.String()))
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// started starts a program and returns what it prints.
func started(t testing.TB, cmd *exec.Cmd) (stdout io.Reader, stderr *bytes.Buffer) {
	t.Helper()
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return stdout, stderr
}

// nodeTime is the processor time of all descendants of a process, with those of
// theirs that have ended: in steps of ten milliseconds.
func nodeTime(pid int) time.Duration {
	var sum time.Duration
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			sum += processorTime(child) + nodeTime(child)
		}
	}
	return sum
}

// processorTime is that of a process and of its children that have ended.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
