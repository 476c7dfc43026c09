package exec

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// script is what a step of an end-to-end test runs.
type script struct {
	text  string
	stdin string
	env   string // NAME=VALUE
}

// realWorld is a run of one job on a real shell, with the given steps.
func realWorld(t *testing.T, kind plan.Kind, scripts map[string]script, labels ...string) (*world, *machine, *files) {
	t.Helper()
	m, f := newMachine(t), &files{}
	w := newWorld(newSession("web", 1, withSteps(labels...)))
	w.sessions[0].Kind = kind
	w.sessions[0].Jobs[0].SeparateOutput = true
	for _, label := range labels {
		w.change(label, func(s *plan.Step) { s.Action = plan.ActionCommand })
	}
	w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
		sc := scripts[s.Label]
		work := plan.Work{Action: s.Action, Script: []byte(sc.text), Shell: "sh", Display: sc.text}
		if sc.stdin != "" {
			work.Stdin = []byte(sc.stdin)
		}
		if name, value, ok := strings.Cut(sc.env, "="); ok {
			work.Env = []plan.EnvVar{{Name: name, Value: value}}
		}
		return work
	}
	w.opts.Starter, w.opts.Outputs = m, f
	return w, m, f
}

const firstStep = `session.web["i-01"].step.one #1 `

func TestStepsShareOneShellSession(t *testing.T) {
	t.Parallel()
	w, m, f := realWorld(t, plan.KindShell, map[string]script{
		"one":       {text: "cd /; export KEPT=yes; printf 'out\\000\\377'; printf err >&2; exit 7"},
		"two":       {text: `echo "$PWD $KEPT $OWN"; cat`, stdin: "given", env: "OWN=mine"},
		"finally_a": {text: "echo bye"},
	}, "one", "two", "finally_a")
	w.change("one", func(s *plan.Step) { s.OnFailureContinue = true })
	w.run(t.Context())
	m.settled()

	if len(m.calls) != 1 || m.calls[0].Target != "i-01" || m.calls[0].Reason != `a test ssmrun/r1/session.web["i-01"]` {
		t.Errorf("calls %+v", m.calls)
	}
	if c := w.complete(t, "one"); c.Outcome != outcome.Failed || *c.ExitCode != 7 || !c.Verified || c.StdoutBytes != 5 || c.StderrBytes != 3 {
		t.Errorf("one: %+v", c)
	}
	if got := f.text(t, firstStep+"stdout"); got != "out\x00\xff" {
		t.Errorf("stdout of one %q", got)
	}
	if got := f.text(t, firstStep+"stderr"); got != "err" {
		t.Errorf("stderr of one %q", got)
	}
	if got := f.text(t, `session.web["i-01"].step.two #1 stdout`); got != "/ yes mine\ngiven" {
		t.Errorf("stdout of two %q", got)
	}
	wantOrder(t, w, "session_start", "session_ready", "step_start", "step_complete", "step_start", "step_complete",
		"step_start", "step_complete", "session_complete", "job_complete")
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Failed))
}

func TestEveryStepOfTheCommandKindHasItsSession(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef\n", 5000)
	w, m, f := realWorld(t, plan.KindCommand, map[string]script{
		"one":       {text: `echo "$OWN it's"; printf '\000\377\357\277\275' >&2`, env: "OWN=mine"},
		"two":       {text: `i=0; while [ $i -lt 5000 ]; do echo 0123456789abcdef; i=$((i+1)); done; exit 3`},
		"finally_a": {text: "echo bye"},
	}, "one", "two", "finally_a")
	w.run(t.Context())
	m.settled()

	if len(m.calls) != 3 {
		t.Errorf("%d sessions, want 3", len(m.calls))
	}
	for _, call := range m.calls {
		if len(call.Parameters["command"]) != 1 || call.Parameters["separateOutputStream"][0] != "true" {
			t.Errorf("parameters %v", call.Parameters)
		}
	}
	if c := w.complete(t, "one"); c.Outcome != outcome.Passed || *c.ExitCode != 0 || !c.Verified {
		t.Errorf("one: %+v", c)
	}
	if got := f.text(t, firstStep+"stdout"); got != "mine it's\n" {
		t.Errorf("stdout of one %q", got)
	}
	if got := f.text(t, firstStep+"stderr"); got != "\x00\xff\xef\xbf\xbd" {
		t.Errorf("stderr of one %q", got)
	}
	if c := w.complete(t, "two"); c.Outcome != outcome.Failed || *c.ExitCode != 3 || !c.Verified {
		t.Errorf("two: %+v", c)
	}
	if got := f.text(t, `session.web["i-01"].step.two #1 stdout`); got != big {
		t.Errorf("stdout of two has %d bytes, want %d", len(got), len(big))
	}
	wantOrder(t, w, "session_start", "step_start", "session_ready", "step_complete", "session_complete",
		"session_start", "step_start", "session_ready")
}

func TestAStepsTimeoutLeavesTheSession(t *testing.T) {
	t.Parallel()
	w, m, _ := realWorld(t, plan.KindShell, map[string]script{
		"one":       {text: "echo started; sleep 60"},
		"finally_a": {text: "true"},
	}, "one", "finally_a")
	w.change("one", func(s *plan.Step) { s.Timeout = 1500 * time.Millisecond })
	w.run(t.Context())
	m.settled()
	if c := w.complete(t, "one"); c.Outcome != outcome.TimedOut || c.StdoutBytes != 8 {
		t.Errorf("one: %+v", c)
	}
	if c := w.complete(t, "finally_a"); c.Outcome != outcome.Passed {
		t.Errorf("finally: %+v", c)
	}
	if len(m.calls) != 1 {
		t.Errorf("%d sessions, want 1", len(m.calls))
	}
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.TimedOut))
}

func TestACommandSessionsTimeout(t *testing.T) {
	t.Parallel()
	w, m, _ := realWorld(t, plan.KindCommand, map[string]script{"one": {text: "echo started; sleep 60"}}, "one")
	w.change("one", func(s *plan.Step) { s.Timeout = 1500 * time.Millisecond })
	began := time.Now()
	w.run(t.Context())
	m.settled()
	if c := w.complete(t, "one"); c.Outcome != outcome.TimedOut || c.StdoutBytes != 8 {
		t.Errorf("one: %+v", c)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A session that is lost while a step runs leaves its outcome unknown, which
// ends the job, finally steps included.
func TestALostSessionIsUnknown(t *testing.T) {
	for _, kind := range []plan.Kind{plan.KindShell, plan.KindCommand} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "mark")
			w, m, _ := realWorld(t, kind, map[string]script{
				"one":       {text: "touch " + mark + "; sleep 60"},
				"two":       {text: "true"},
				"finally_a": {text: "true"},
			}, "one", "two", "finally_a")
			w.change("one", func(s *plan.Step) { s.Retry.Attempts = 5 })
			go func() {
				waitFor(mark)
				m.cut("s-1")
			}()
			w.run(t.Context())
			m.settled()
			if c := w.complete(t, "one"); c.Outcome != outcome.Unknown || c.Attempt != 1 || c.Verified || c.ExitCode != nil {
				t.Errorf("one: %+v", c)
			}
			wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unknown))
			if len(m.calls) != 1 {
				t.Errorf("%d sessions, want 1", len(m.calls))
			}
			if got := w.summary.ExitCode(); got != outcome.ExitUnknown {
				t.Errorf("exit code %d, want 6", got)
			}
		})
	}
}

// A session that ends between two steps took the directory and the variables of
// the first with it, so the second is not sent over a new one.
func TestASessionThatEndsBetweenStepsIsNotReplaced(t *testing.T) {
	t.Parallel()
	w, m, _ := realWorld(t, plan.KindShell, map[string]script{
		"one":       {text: "cd /tmp"},
		"two":       {text: "rm -f ./something"},
		"finally_a": {text: "true"},
	}, "one", "gap", "two", "finally_a")
	w.change("gap", func(s *plan.Step) { s.Action = plan.ActionApprove })
	w.opts.Approve = func(context.Context, string) (bool, error) {
		m.cut("s-1")
		<-m.node("s-1").session.Done()
		return true, nil
	}
	w.run(t.Context())
	m.settled()
	if got := w.lines("step_start"); strings.Contains(got, "step.two") || len(m.calls) != 1 {
		t.Errorf("%d sessions, and steps\n%s", len(m.calls), got)
	}
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unreachable))
}

// An idempotent step may be tried again, over a new session.
func TestAnIdempotentStepIsTriedAgainAfterALoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, m, _ := realWorld(t, plan.KindShell, map[string]script{
		"one": {text: fmt.Sprintf("cd %s; if [ -e first ]; then echo again; else touch first; sleep 60; fi", dir)},
		"two": {text: "true"},
	}, "one", "two")
	w.change("one", func(s *plan.Step) { s.Idempotent, s.Retry.Attempts = true, 3 })
	go func() {
		waitFor(filepath.Join(dir, "first"))
		m.cut("s-1")
	}()
	w.run(t.Context())
	m.settled()
	if c := w.complete(t, "one"); c.Outcome != outcome.Passed || c.Attempt != 2 {
		t.Errorf("one: %+v", c)
	}
	if len(m.calls) != 2 {
		t.Errorf("%d sessions, want 2", len(m.calls))
	}
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
}

// The first interrupt lets the running step finish; finally steps run.
func TestAnInterruptLetsTheStepFinish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, m, _ := realWorld(t, plan.KindShell, map[string]script{
		"one":       {text: fmt.Sprintf("cd %s; touch began; while [ ! -e go ]; do sleep 0.05; done", dir)},
		"two":       {text: "true"},
		"finally_a": {text: "true"},
	}, "one", "two", "finally_a")
	stopping := make(chan struct{})
	w.opts.Stopping = stopping
	go func() {
		waitFor(filepath.Join(dir, "began"))
		close(stopping)
		time.Sleep(50 * time.Millisecond)
		_ = os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	}()
	w.run(t.Context())
	m.settled()
	if got, want := withoutTimes(w.lines("step_complete", "job_complete")), `
step_complete session.web["i-01"].step.one #1 passed exit=0
step_complete session.web["i-01"].finally.finally_a #1 passed exit=0
job_complete session.web["i-01"] cancelled (interrupted)
`; got != want[1:] {
		t.Errorf("events:\n%s", got)
	}
	if got := w.summary.ExitCode(); got != outcome.ExitInterrupted {
		t.Errorf("exit code %d, want 130", got)
	}
}

// The second interrupt stops the step; when its end is seen, it is cancelled.
func TestACutStopsTheStep(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want outcome.Outcome
	}{
		"that listens":    {"touch %s; exec sleep 60", outcome.Cancelled},
		"that is trapped": {"trap '' INT TERM; touch %s; while :; do sleep 0.2; done", outcome.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "mark")
			w, m, _ := realWorld(t, plan.KindShell, map[string]script{
				"one":       {text: fmt.Sprintf(test.text, mark)},
				"finally_a": {text: "true"},
			}, "one", "finally_a")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				waitFor(mark)
				cancel()
			}()
			began := time.Now()
			w.run(ctx)
			m.settled()
			if c := w.complete(t, "one"); c.Outcome != test.want {
				t.Errorf("one: %+v", c)
			}
			wantOutcomes(t, w, jobsOf(w.sessions[0], test.want))
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestManyJobsAtOnceKeepTheirOutputApart(t *testing.T) {
	t.Parallel()
	const targets = 8
	m, f := newMachine(t), &files{}
	s := newSession("web", targets, withSteps("one", "two"))
	w := newWorld(s)
	for _, label := range []string{"one", "two"} {
		w.change(label, func(s *plan.Step) { s.Action = plan.ActionCommand })
	}
	w.answers.prepare = func(j *plan.Job, s *plan.Step, _ int) plan.Work {
		return plan.Work{Action: s.Action, Shell: "sh", Script: []byte(fmt.Sprintf("echo %s %s", j.Target.ID, s.Label))}
	}
	w.opts.Starter, w.opts.Outputs = m, f
	w.run(t.Context())
	m.settled()
	wantOutcomes(t, w, jobsOf(s, outcome.Passed))
	for _, j := range s.Jobs {
		for _, step := range s.Steps {
			want := fmt.Sprintf("%s %s\n", j.Target.ID, step.Label)
			if got := f.text(t, stepAddress(j, step)+" #1 stdout"); got != want {
				t.Errorf("%s of %s says %q", step.Label, j.Target.ID, got)
			}
		}
	}
}

// Ten thousand lines of output are in the file, whole and in order, and the
// events say where.
func TestOutputEventsCoverTheFile(t *testing.T) {
	t.Parallel()
	w, m, f := realWorld(t, plan.KindShell, map[string]script{
		"one": {text: `i=0; while [ $i -lt 10000 ]; do echo "line $i"; i=$((i+1)); done`},
	}, "one")
	w.run(t.Context())
	m.settled()
	var want bytes.Buffer
	for i := range 10000 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if got := f.text(t, firstStep+"stdout"); got != want.String() {
		t.Errorf("stdout has %d bytes, want %d", len(got), want.Len())
	}
	next := int64(0)
	for _, e := range w.outputEvents() {
		if e.Offset != next {
			t.Errorf("an event begins at %d, want %d", e.Offset, next)
		}
		next = e.Offset + e.Length
	}
	if next != int64(want.Len()) {
		t.Errorf("events cover %d bytes of %d", next, want.Len())
	}
}

func waitFor(path string) {
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A panic in the middle of a job still ends its session.
func TestAPanicLeavesNoSession(t *testing.T) {
	w, m, _ := realWorld(t, plan.KindShell, map[string]script{"one": {text: "true"}}, "one")
	w.answers.judge = func(*plan.Job, *plan.Step, plan.Result) plan.Verdict { panic("boom") }
	w.run(t.Context())
	m.settled()
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unknown))
	if !strings.Contains(w.lines("job_complete"), "boom") {
		t.Errorf("events:\n%s", w.lines())
	}
}
