//go:build unix

package exec

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// runLocal runs one local command as the only step.
func runLocal(t *testing.T, ctx context.Context, work plan.Work, change ...func(*plan.Step)) (*world, *files, event.StepComplete) {
	t.Helper()
	f := &files{}
	w := localWorld("one")
	w.change("one", func(s *plan.Step) {
		s.Action = plan.ActionLocalCommand
		for _, c := range change {
			c(s)
		}
	})
	w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
		work.Action = s.Action
		return work
	}
	w.opts.Outputs = f
	w.run(ctx)
	for _, fact := range w.facts() {
		if c, ok := fact.(event.StepComplete); ok {
			return w, f, c
		}
	}
	t.Fatalf("no step_complete:\n%s", w.lines())
	return nil, nil, event.StepComplete{}
}

func sh(script string, args ...string) []string {
	return append([]string{"sh", "-c", script, "sh"}, args...)
}

func TestALocalCommandIsRecordedLikeAnyOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, f, c := runLocal(t, t.Context(), plan.Work{
		Argv:  sh(`pwd; echo "$NAME $1"; cat; printf 'no\000pe' >&2; exit 7`, "a b"),
		Env:   []plan.EnvVar{{Name: "NAME", Value: "first"}, {Name: "NAME", Value: "value"}},
		Dir:   dir,
		Stdin: []byte("given"),
	})
	if c.Outcome != outcome.Failed || c.ExitCode == nil || *c.ExitCode != 7 || !c.Verified {
		t.Errorf("step_complete %+v", c)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.text(t, `session.web["i-01"].step.one #1 stdout`), real+"\nvalue a b\ngiven"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got := f.text(t, `session.web["i-01"].step.one #1 stderr`); got != "no\x00pe" {
		t.Errorf("stderr %q", got)
	}
	if c.StderrBytes != 5 || c.StderrKept != 5 || c.StdoutSHA256 == "" {
		t.Errorf("step_complete %+v", c)
	}
}

func TestALocalCommandThatIsNotThereHasAShellsExitCode(t *testing.T) {
	t.Parallel()
	_, f, c := runLocal(t, t.Context(), plan.Work{Argv: []string{"no-such-program-here"}})
	if c.ExitCode == nil || *c.ExitCode != 127 {
		t.Errorf("step_complete %+v", c)
	}
	if got := f.text(t, `session.web["i-01"].step.one #1 stderr`); !strings.Contains(got, "no-such-program-here") {
		t.Errorf("stderr %q", got)
	}
}

func TestALocalCommandKilledBySignal(t *testing.T) {
	t.Parallel()
	_, _, c := runLocal(t, t.Context(), plan.Work{Argv: sh(`kill -9 $$`)})
	if c.ExitCode == nil || *c.ExitCode != 137 || c.Signal != "KILL" {
		t.Errorf("step_complete %+v", c)
	}
}

// A timeout stops the whole process group, not only the command itself.
func TestALocalCommandsTimeoutStopsItsGroup(t *testing.T) {
	t.Parallel()
	// What the command leaves behind holds the fifo open until it has ended. A
	// kill takes effect some time after it was sent.
	fifo := filepath.Join(t.TempDir(), "held")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	began := time.Now()
	_, _, c := runLocal(t, t.Context(), plan.Work{Argv: sh(`exec 3>"$1"; echo began >&3; sleep 60 & wait`, fifo)},
		func(s *plan.Step) { s.Timeout = 1500 * time.Millisecond })
	if c.Outcome != outcome.TimedOut {
		t.Errorf("step_complete %+v", c)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := held.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(held); err != nil || string(text) != "began\n" {
		t.Errorf("a process outlived the timeout: got %q, %v", text, err)
	}
}

func TestTheSecondInterruptStopsALocalCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	w, _, c := runLocal(t, ctx, plan.Work{Argv: sh(`sleep 60`)})
	if c.Outcome != outcome.Cancelled || w.summary.ExitCode() != outcome.ExitInterrupted {
		t.Errorf("step_complete %+v, exit code %d", c, w.summary.ExitCode())
	}
}

// What a command leaves in the background holds its result up for a second at
// most.
func TestABackgroundProcessDoesNotHoldALocalCommandUp(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, f, c := runLocal(t, t.Context(), plan.Work{Argv: sh(`(sleep 3; echo late) & echo now`)})
	if c.Outcome != outcome.Passed || time.Since(began) > 2500*time.Millisecond {
		t.Errorf("step_complete %+v after %s", c, time.Since(began))
	}
	if got := f.text(t, `session.web["i-01"].step.one #1 stdout`); got != "now\n" {
		t.Errorf("stdout %q", got)
	}
}
