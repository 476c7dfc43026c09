package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/fleet"
)

// TestOneDashIsTwo: the program's options have one dash elsewhere, so the AWS
// CLI's may have one here.
func TestOneDashIsTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-target", "i-1", "-reason", "-5 days"}, {"-target=i-1", "--reason=-5 days"}} {
		got := callCase{args: args}.run(t, "ssmrun", "start-session")
		want := []call{{Signed: "AKIATEST eu-west-1 ssm", Body: map[string]any{"Target": "i-1", "Reason": "-5 days"}}}
		if diff := cmp.Diff(want, got.Calls); diff != "" {
			t.Errorf("%q\n%s", args, diff)
		}
	}
}

// TestClosedOutputEndsTheSession: nobody reads stdout any more, and the session
// does not stay open for that.
func TestClosedOutputEndsTheSession(t *testing.T) {
	dir, served := attendedLab(t)
	read, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := startSessionCommand(dir, served, "--document-name", "AWS-StartInteractiveCommand", "--parameters", "command=yes")
	cmd.Stdout = output
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	output.Close()
	if _, err := io.ReadFull(read, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	read.Close()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 141 || stderr.Len() > 0 {
		t.Errorf("exit code %d, want 141\n%s", code, stderr.String())
	}
	served.noSessionLeft(t)
	waitFor(t, "the node's processes to end", func() bool { return served.processes(t) == 0 })
}

// TestBlockedOutputDoesNotHoldTheProgram: stdout takes no more, and a signal
// ends the program and the session all the same.
func TestBlockedOutputDoesNotHoldTheProgram(t *testing.T) {
	dir, served := attendedLab(t)
	read, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := startSessionCommand(dir, served, "--document-name", "AWS-StartInteractiveCommand", "--parameters", "command=yes")
	cmd.Stdout = output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	output.Close()
	if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	time.Sleep(300 * time.Millisecond) // the pipe holds 64 KiB, the pty gives 1 MB/s
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	served.noSessionLeft(t)
	waitFor(t, "the node's processes to end", func() bool { return served.processes(t) == 0 })
}

// attendedLab serves a lab with the node i-00000000000000001. The test goes on
// beside others.
func attendedLab(t *testing.T) (dir string, served *servedLab) {
	t.Helper()
	return attendedLabWith(t, "agent {\n  first_output_delay = \"10ms\"\n}\n")
}

// attendedLabWith says more of the lab than its node.
func attendedLabWith(t *testing.T, more string) (dir string, served *servedLab) {
	t.Helper()
	t.Parallel()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "n.lab.hcl"), "nodes \"n\" {\n  ids = [\"i-00000000000000001\"]\n}\n"+more)
	return dir, startLab(t, dir, false)
}

// attendedReason is what the sessions of these tests are known by at the lab.
const attendedReason = "ssmrun/attended/test"

func startSessionCommand(dir string, served *servedLab, args ...string) *exec.Cmd {
	cmd := command(dir, append([]string{"start-session", "--target", "i-00000000000000001", "--reason", attendedReason}, args...)...)
	cmd.Env = append(os.Environ(), served.environ...)
	return cmd
}

// noSessionLeft checks that the lab has none of these tests' sessions open.
func (s *servedLab) noSessionLeft(t *testing.T) {
	t.Helper()
	s.endSessions(t, 0)
}

// endSessions terminates so many of these tests' sessions at the lab.
func (s *servedLab) endSessions(t *testing.T, want int) {
	t.Helper()
	settings := map[string]string{}
	for _, setting := range s.environ {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = value
	}
	f := fleet.New(fleet.Options{Isolated: true, Region: settings["AWS_REGION"], EndpointURL: settings["AWS_ENDPOINT_URL"],
		Static: &fleet.Credentials{AccessKeyID: settings["AWS_ACCESS_KEY_ID"], SecretAccessKey: fleet.NewSecret(settings["AWS_SECRET_ACCESS_KEY"])}})
	defer f.Close()
	if err := f.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	open, err := f.Sweep(t.Context(), "attended")
	if err != nil || len(open) != want {
		t.Errorf("sessions %v are open (%v), want %d", open, err, want)
	}
}

// timedKeys notes what is typed at a remote terminal, and when.
type timedKeys struct {
	begun time.Time
	typed []string
	at    []time.Duration
}

func (k *timedKeys) Write(p []byte) (int, error) {
	k.typed = append(k.typed, string(p))
	k.at = append(k.at, time.Since(k.begun))
	return len(p), nil
}

func TestEndOfInputIsTypedUntilItIsHeard(t *testing.T) {
	for _, c := range []struct {
		input string
		typed bool
		want  []string
	}{
		{"", false, []string{"\x04", "\x04", "\x04"}},
		{"ls\n", false, []string{"ls\n", "\x04", "\x04", "\x04"}},
		{"ls\r", false, []string{"ls\r", "\x04", "\x04", "\x04"}},
		{"ls", false, []string{"ls", "\n", "\x04", "\x04", "\x04"}},
		{"ls", true, []string{"ls", "\x04", "\x04", "\x04"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			remote := &timedKeys{begun: time.Now()}
			done := make(chan struct{})
			time.AfterFunc(5*time.Second, func() { close(done) })
			keyboard{in: strings.NewReader(c.input), remote: remote, typed: c.typed}.run(done)
			if diff := cmp.Diff(c.want, remote.typed); diff != "" {
				t.Errorf("%q: %s", c.input, diff)
			}
			n := len(remote.at)
			if gap := remote.at[n-1] - remote.at[n-2]; gap != 2*(remote.at[n-2]-remote.at[n-3]) {
				t.Errorf("typed after %v: the waits do not grow", remote.at)
			}
		})
	}
}
