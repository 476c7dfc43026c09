package exec

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// rebootWorld is a run of a step, a reboot by the given command, and another
// step, on a machine whose boot id is in a file, $BOOT, and which goes down when
// something is written to a pipe, $DOWN.
func rebootWorld(t *testing.T, order string) (*world, *machine, *files) {
	t.Helper()
	dir := t.TempDir()
	boot, down := filepath.Join(dir, "boot"), filepath.Join(dir, "down")
	write(t, boot, "first\n", 0o600)
	write(t, filepath.Join(dir, "ssmrun-boot-id"), "#!/bin/sh\ncat "+boot+"\n", 0o700)
	if err := syscall.Mkfifo(down, 0o600); err != nil {
		t.Fatal(err)
	}
	w, m, f := realWorld(t, plan.KindShell, map[string]script{
		"one":       {text: "cd /; export LEFT=here"},
		"reboot":    {text: order},
		"two":       {text: `echo "left=$LEFT"`},
		"finally_a": {text: "echo bye"},
	}, "one", "reboot", "two", "finally_a")
	w.change("reboot", func(s *plan.Step) { s.Action, s.Timeout = plan.ActionReboot, time.Minute })
	m.env = append(m.env, "PATH="+dir+":"+os.Getenv("PATH"), "BOOT="+boot, "DOWN="+down)
	pipe, err := os.OpenFile(down, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.all.Go(func() {
		if n, _ := pipe.Read(make([]byte, 10)); n > 0 {
			m.cut("s-1")
		}
	})
	t.Cleanup(func() { pipe.Close() })
	return w, m, f
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// release lets the reader of a pipe that nobody wrote to go.
func release(m *machine) {
	for _, v := range m.env {
		if name, ok := strings.CutPrefix(v, "DOWN="); ok {
			if pipe, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_, _ = io.WriteString(pipe, "\n")
				pipe.Close()
			}
		}
	}
}

const goesDown = "echo second >$BOOT; echo >$DOWN; sleep 60"

func TestARebootGoesOnInANewSession(t *testing.T) {
	t.Parallel()
	w, m, f := rebootWorld(t, goesDown)
	looks := 0
	w.opts.Ping = func(context.Context, string, string) (Ping, error) {
		looks++
		return Ping{Online: looks != 2, Last: time.Unix(1, 0)}, nil
	}
	w.run(t.Context())
	m.settled()
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
	if c := w.complete(t, "reboot"); c.Outcome != outcome.Passed || c.ExitCode != nil || c.Why != "" ||
		c.Note != "boot id second, before first; the directory and variables of earlier steps are gone" {
		t.Errorf("reboot: %+v", c)
	}
	if got := f.text(t, `session.web["i-01"].step.two #1 stdout`); got != "left=\n" {
		t.Errorf("stdout of two %q", got)
	}
	wantOrder(t, w, "session_start", "session_ready", "step_start", "step_complete", "step_start", "session_complete",
		"session_start", "session_ready", "step_complete", "step_start", "step_complete", "step_start", "step_complete", "session_complete", "job_complete")
	if got := w.lines("session_queued"); !strings.Contains(got, "the target restarts, and has 1m0s to come back") {
		t.Errorf("waits %q", got)
	}
	if looks != 3 {
		t.Errorf("%d looks at the ping status, want one before, one while it is away and one when it is back", looks)
	}
}

func TestRebootsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, order, boot string
		outcome           outcome.Outcome
		why               string
	}{
		{"no restart", "true", "first", outcome.Failed, "has not restarted: its boot id is the same"},
		{"refused", "echo no >&2; exit 3", "first", outcome.Failed, "the target was not told to restart: the command ended with exit code 3"},
		{"no boot id", "touch $BOOT.ran", "", outcome.Failed, "it was not restarted"},
		{"odd boot id", "touch $BOOT.ran", "a b", outcome.Unreachable, "when it was asked for its boot id"},
		{"another source", "rm ${BOOT%/*}/ssmrun-boot-id; echo >$DOWN; sleep 60", "first", outcome.Failed, "came from ssmrun-boot-id before and from kernel.random.boot_id now"},
		{"no boot id any more", "echo >$BOOT; echo >$DOWN; sleep 60", "first", outcome.Failed, "no longer tells its boot id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, m, _ := rebootWorld(t, c.order)
			if c.order == "true" {
				w.change("reboot", func(s *plan.Step) { s.Timeout = 3 * time.Second })
			}
			boot := bootFile(m)
			write(t, boot, c.boot+"\n", 0o600)
			w.run(t.Context())
			release(m)
			m.settled()
			wantOutcomes(t, w, jobsOf(w.sessions[0], c.outcome))
			if got := w.lines("job_complete"); !strings.Contains(got, c.why) {
				t.Errorf("the reason is %s", got)
			}
			if _, err := os.Stat(boot + ".ran"); err == nil {
				t.Error("the command ran")
			}
			if got := w.lines("step_start"); strings.Contains(got, "step.two") {
				t.Errorf("it went on:\n%s", got)
			}
		})
	}
}

func bootFile(m *machine) string {
	for _, v := range m.env {
		if name, ok := strings.CutPrefix(v, "BOOT="); ok {
			return name
		}
	}
	return ""
}

func TestATargetThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w, m, _ := rebootWorld(t, goesDown)
	w.change("reboot", func(s *plan.Step) { s.Timeout = 2 * time.Second })
	w.opts.Ping = func(context.Context, string, string) (Ping, error) { return Ping{}, nil }
	w.run(t.Context())
	m.settled()
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.TimedOut))
	if got := w.lines("job_complete"); !strings.Contains(got, "the step's timeout passed (2s), and the target was not back") {
		t.Errorf("the reason is %s", got)
	}
}

// A first Ctrl-C lets the restart come to its end, a second leaves it unknown.
func TestInterruptsOfAReboot(t *testing.T) {
	for name, cut := range map[string]bool{"first": false, "second": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, m, _ := rebootWorld(t, goesDown)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopping := make(chan struct{})
			w.opts.Stopping = stopping
			looks := 0
			w.opts.Ping = func(context.Context, string, string) (Ping, error) {
				if looks++; looks == 2 {
					close(stopping)
					if cut {
						cancel()
					}
				}
				return Ping{Online: looks != 2}, nil
			}
			w.run(ctx)
			m.settled()
			want, step := outcome.Cancelled, outcome.Passed
			if cut {
				want, step = outcome.Unknown, outcome.Unknown
			}
			wantOutcomes(t, w, jobsOf(w.sessions[0], want))
			if c := w.complete(t, "reboot"); c.Outcome != step {
				t.Errorf("reboot: %+v", c)
			}
		})
	}
}
