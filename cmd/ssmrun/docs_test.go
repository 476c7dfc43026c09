package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFaultyLabOfTheDocs runs a runbook in the lab file that docs/lab.md shows.
func TestFaultyLabOfTheDocs(t *testing.T) {
	lab, err := filepath.Abs("../../docs/faulty.lab.hcl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "s.ssm.hcl"), `
targets "all" {
  names = ["*"]
}
session "s" {
  target   = targets.all
  document = "AWS-StartNonInteractiveCommand"
  step "a" {
    command = "case $(hostname) in dying*) while :; do echo on; sleep 0.01; done ;; *) seq 1000 ;; esac"
  }
}
`)
	got := runCommand(t, dir, "apply", "-lab="+lab, "-auto-approve", "-verbose")
	for _, want := range []string{"far-01  s: passed", "busy-01  s: passed", "dying-01  s: unknown", "gone-01  s: unreachable", "2 passed"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the output has no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", got.stdout, got.stderr)
	}
}
