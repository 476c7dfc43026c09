package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/fleet"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// patience bounds the wait for another process to get somewhere.
const patience = 60 * time.Second

// sleeper is a runbook whose step runs until it is stopped, on three nodes.
func writeSleeper(t *testing.T, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "s.ssm.hcl"), `
provider "aws" {
  start_rate = 1000
}
targets "all" {
  names = ["n-*"]
}
session "s" {
  target = targets.all
  step "quick" {
    command = "echo ready"
  }
  step "sleep" {
    command = "echo begun; sleep 300"
  }
}
`)
	write(t, filepath.Join(dir, "s.lab.hcl"), "nodes \"n\" {\n  count = 3\n}\n")
}

// TestServedLabRunsTheSameRunbook runs the exact runbook against a lab in
// another process.
func TestServedLabRunsTheSameRunbook(t *testing.T) {
	dir := t.TempDir()
	writeExactRunbook(t, dir, 8, "")
	served := startLab(t, dir, true)
	cmd := command(dir, "apply", "-auto-approve", "-no-color")
	cmd.Env = append(os.Environ(), served.environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out)))
	}
	compareOutputs(t, dir, 8)
}

// TestSignalsLeaveNothingBehind interrupts a run whose steps would go on for
// minutes: no session stays open and no process of a node stays alive.
func TestSignalsLeaveNothingBehind(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			writeSleeper(t, dir)
			served := startLab(t, dir, false)
			cmd := startApply(t, dir, served.environ)
			if n := served.processes(t); n == 0 {
				t.Fatal("no process runs on the nodes: the test would show nothing")
			}
			for range 2 {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond) // two signals at once may be one
			}
			err := cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 && code != 6 {
				t.Errorf("exit code %d (%v), want 130 or 6", code, err)
			}
			if open := served.sessions(t, dir); len(open) != 0 {
				t.Errorf("sessions %v are open still", open)
			}
			waitFor(t, "the nodes' processes to end", func() bool { return served.processes(t) == 0 })
		})
	}
}

// TestKilledClientLeavesReadableRun kills the client in the middle of a step;
// `show` reads what it left and says what is not known.
func TestKilledClientLeavesReadableRun(t *testing.T) {
	dir := t.TempDir()
	writeSleeper(t, dir)
	served := startLab(t, dir, false)
	cmd := startApply(t, dir, served.environ)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	shown := runCommand(t, dir, "show", "-no-color")
	if shown.code != 0 {
		t.Fatalf("show: exit code %d\n%s%s", shown.code, shown.stdout, shown.stderr)
	}
	for _, want := range []string{"quick", "sleep", "unknown", "no end"} {
		if !strings.Contains(shown.stdout, want) {
			t.Errorf("show does not say %q:\n%s", want, shown.stdout)
		}
	}
	if listed := runCommand(t, dir, "history", "-no-color"); !strings.Contains(listed.stdout, "interrupted") {
		t.Errorf("history does not say that the run was interrupted:\n%s", listed.stdout)
	}
}

// startApply starts the sleeper and returns when its long step has begun on
// every node.
func startApply(t *testing.T, dir string, environ []string) *exec.Cmd {
	t.Helper()
	cmd := command(dir, "apply", "-auto-approve", "-no-color")
	cmd.Env = append(os.Environ(), environ...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("apply said:\n%s", tail(out.String()))
		}
	})
	waitFor(t, "the long step to begin on three nodes", func() bool {
		begun, _ := filepath.Glob(filepath.Join(dir, ".ssmrun", "runs", "*", "output", "s", "*", "02-sleep.stdout"))
		return len(begun) == 3
	})
	return cmd
}

// processes counts what lives below the lab's process.
func (s *servedLab) processes(t testing.TB) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are counted in /proc")
	}
	return len(descendants(s.cmd.Process.Pid))
}

// descendants are the processes that live below one, where /proc tells.
func descendants(pid int) (below []int) {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (command) state ppid ...: the command may hold anything.
		rest := text[bytes.LastIndexByte(text, ')')+1:]
		var state string
		var parent int
		if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil || state == "Z" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for next := children[pid]; len(next) > 0; {
		below = append(below, next[0])
		next = append(next[1:], children[next[0]]...)
	}
	return below
}

// sessions returns the sessions that are active at the lab; it also ends them.
func (s *servedLab) sessions(t *testing.T, dir string) []string {
	t.Helper()
	for _, setting := range s.environ {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	f := fleet.New(fleet.Options{})
	defer f.Close()
	if err := f.Open(t.Context(), []plan.Provider{{Key: "aws", StartRate: 2}}); err != nil {
		t.Fatal(err)
	}
	runs, err := filepath.Glob(filepath.Join(dir, ".ssmrun", "runs", "2*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("got %d runs (%v), want 1", len(runs), err)
	}
	open, err := f.Sweep(t.Context(), filepath.Base(runs[0]))
	if err != nil {
		t.Fatal(err)
	}
	return open
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
