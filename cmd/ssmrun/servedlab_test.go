package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// servedLab is a lab in another process.
type servedLab struct {
	cmd     *exec.Cmd
	environ []string // settings that point AWS's SDKs at it
}

// setting returns the value of one of the settings.
func (l *servedLab) setting(name string) string {
	for _, setting := range l.environ {
		if value, ok := strings.CutPrefix(setting, name+"="); ok {
			return value
		}
	}
	return ""
}

// startLab serves the lab of dir in another process until the test ends.
func startLab(t testing.TB, dir string, tls bool) *servedLab {
	t.Helper()
	envFile := filepath.Join(dir, "lab.env")
	args := []string{"lab", "-env-file", envFile}
	if tls {
		args = append(args, "-tls", "-ca-file", filepath.Join(dir, "ca.pem"))
	}
	cmd := command(dir, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopLab(t, cmd) })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "Interrupt") {
	}
	text, err := os.ReadFile(envFile)
	if err != nil {
		t.Fatal(err)
	}
	return &servedLab{cmd, strings.Split(strings.TrimSpace(string(text)), "\n")}
}

func stopLab(t testing.TB, cmd *exec.Cmd) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the lab ended badly: %v", err)
	}
}
