package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// commandResult is how a run of the program ended.
type commandResult struct {
	code           int
	stdout, stderr string
	state          *os.ProcessState
}

// command is the program with arguments, to be run in dir. The program is this
// test binary under another name: see TestMain.
func command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("ssmrun", args...)
	cmd.Dir = dir
	return cmd
}

// runCommand runs the program to its end.
func runCommand(t testing.TB, dir string, args ...string) commandResult {
	t.Helper()
	cmd := command(dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return commandResult{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), cmd.ProcessState}
}
