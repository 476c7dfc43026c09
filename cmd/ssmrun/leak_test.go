package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestApplyLeavesNothingOpen runs apply inside the test's process: no goroutine
// and no descriptor stays, whatever the steps came to.
func TestApplyLeavesNothingOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "s.ssm.hcl"), `
targets "all" {
  names = ["n-*"]
}
session "s" {
  target = targets.all
  step "a" {
    command = "echo out; echo err >&2; exit $((N % 2))"
  }
}
`)
	write(t, filepath.Join(dir, "s.lab.hcl"), "nodes \"n\" {\n  count = 4\n}\nnodes \"n-bad\" {\n  env = { N = \"1\" }\n}\nnodes \"n-gone\" {\n  online = false\n}\n")
	apply := func() int {
		root := newRoot()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs([]string{"apply", "--lab", "--auto-approve"})
		return exitCode(root.Execute(), io.Discard)
	}
	ignore := goleak.IgnoreCurrent()
	apply() // what is made once in a process is made now
	before := descriptors(t)
	if code := apply(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if after := descriptors(t); len(after) != len(before) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
	goleak.VerifyNone(t, ignore)
}

// descriptors are the open files of this process, where the system tells.
func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open = append(open, e.Name()+" "+name)
		}
	}
	return open
}
