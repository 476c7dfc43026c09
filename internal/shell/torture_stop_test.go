package shell

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var stopCases = []tortureCase{
	{name: "a sleep", play: playCancel},
	{name: "one that ignores INT", play: stopped("trap '' INT; echo up; while :; do sleep 0.1; done", 143, "TERM")},
	{name: "one that ignores INT and TERM", play: stopped("trap '' INT TERM; echo up; while :; do sleep 0.1; done", 137, "KILL")},
	{name: "one that exits 7 on INT", play: stopped("trap 'exit 7' INT; echo up; while :; do sleep 0.1; done", 7, "")},
	{name: "one that is stopped", play: stopped("echo up; kill -STOP $$", 137, "KILL")},
	{name: "a pipeline", play: stopped("echo up; sleep 60 | cat | cat", 130, "INT")},
	{name: "a program in its place", play: stopped("echo up; exec sleep 60", 130, "INT")},
	{name: "with children in the background", play: playStopChildren},
	{name: "one that waits for children", play: stopped("echo up; sleep 60 & sleep 60 & wait", 130, "INT")},
	{name: "a flood of output", play: playStopFlood},
	{name: "a flood on both streams that ignores INT", play: stopped("trap '' INT; yes >&2 & exec yes", 143, "TERM")},
	{name: "one that reads its input", play: playStopReader},
	{name: "one that has escaped", play: playEscape},
	{name: "a time limit", play: playDeadline},
	{name: "before it began", play: playStopEarly},
	{name: "by an interrupt of the agent", both: playInterrupt},
}

// cancelled runs a script that prints something, and stops it then.
func (r *rig) cancelled(t testing.TB, script string, grace time.Duration) (string, Result) {
	t.Helper()
	return r.cancelledStep(t, Step{Script: []byte(script), Grace: grace})
}

func (r *rig) cancelledStep(t testing.TB, step Step) (string, Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// A shell that is about to start a program may miss an interrupt: the
	// program that comes next has it then not.
	first := &firstWrite{then: func() { time.AfterFunc(300*time.Millisecond, cancel) }}
	res, err := r.Run(ctx, step, first, nil)
	if err != nil {
		t.Fatalf("%v\nscreen: %s", err, r.Screen())
	}
	return first.String(), res
}

// firstWrite does something when something was written to it.
type firstWrite struct {
	bytes.Buffer
	once sync.Once
	then func()
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.once.Do(f.then)
	return f.Buffer.Write(p)
}

// shortGrace is for steps that are to be stopped by TERM or KILL; the others
// have all the time that INT needs on a busy machine.
const (
	shortGrace = 600 * time.Millisecond
	longGrace  = 20 * time.Second
)

// stopped checks how a script ends that is told to stop, and that the next one
// runs.
func stopped(script string, code int, signal string) func(t testing.TB, r *rig) {
	return func(t testing.TB, r *rig) {
		began := time.Now()
		grace := longGrace
		if signal == "TERM" || signal == "KILL" {
			grace = shortGrace
		}
		_, res := r.cancelled(t, script, grace)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("took %v", took)
		}
		if !res.Cancelled || res.ExitCode != code || res.Escaped {
			t.Errorf("got %+v, want code %d", res, code)
		}
		if r.signals() && res.Signal != signal && res.Signal != "" { // some shells catch it and exit with its code
			t.Errorf("signal: got %q, want %q", res.Signal, signal)
		}
		tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
	}
}

func playCancel(t testing.TB, r *rig) {
	out, res := r.cancelled(t, "echo $$; sleep 60", longGrace)
	if !res.Cancelled || res.Escaped || !res.Verified() {
		t.Errorf("got %+v", res)
	}
	if pid, _ := strconv.Atoi(trim(out)); alive(pid) {
		t.Errorf("process %q is still there", out)
	}
	// INT was enough: TERM and KILL come after the grace only.
	if res.ExitCode != 130 {
		t.Errorf("exit code: got %d, want 130", res.ExitCode)
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}

func playStopChildren(t testing.TB, r *rig) {
	out, res := r.cancelled(t, "sleep 60 & sleep 60 & echo $!; sleep 60", longGrace)
	if !res.Cancelled || res.ExitCode != 130 {
		t.Errorf("got %+v", res)
	}
	pid, _ := strconv.Atoi(trim(out))
	for range 100 {
		if !alive(pid) || zombie(pid) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the child %q is still there", out)
}

func playStopFlood(t testing.TB, r *rig) {
	out, res := r.cancelled(t, "exec yes flood", longGrace)
	if !res.Cancelled || res.ExitCode != 130 || !res.Verified() {
		t.Errorf("got %+v", res)
	}
	if rest := strings.ReplaceAll(out, "flood\n", ""); !strings.HasPrefix("flood\n", rest) {
		t.Errorf("%d bytes that end in %.40q", len(out), rest)
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}

func playStopReader(t testing.TB, r *rig) {
	_, res := r.cancelledStep(t, Step{Script: []byte("echo up; read -r a; sleep 60"), Stdin: bytes.Repeat([]byte("x\n"), 20_000), Grace: longGrace})
	if !res.Cancelled || res.ExitCode != 130 {
		t.Errorf("got %+v", res)
	}
	tortureCase{step: catStdin("next"), out: "next"}.check(t, r)
}

// playEscape starts a process that leaves the step's group: it outlives it, and
// the result says so when it can be seen.
func playEscape(t testing.TB, r *rig) {
	out, res := r.cancelled(t, "setsid sh -c 'echo $$; exec sleep 60' & sleep 60", longGrace)
	pid, _ := strconv.Atoi(trim(out))
	if !alive(pid) {
		t.Errorf("process %q did not escape", out)
	}
	if !res.Cancelled || r.signals() && !res.Escaped {
		t.Errorf("got %+v", res)
	}
	tortureCase{step: sh("kill -9 " + trim(out) + "; echo ok")}.after(t, r)
}

func playDeadline(t testing.TB, r *rig) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	res, err := r.Run(ctx, Step{Script: []byte("sleep 60"), Grace: longGrace}, nil, nil)
	if err != nil || !res.Cancelled || res.ExitCode != 130 {
		t.Errorf("got %+v, %v", res, err)
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}

func playStopEarly(t testing.TB, r *rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Run(ctx, sh("echo ran"), nil, nil); err == nil {
		t.Error("it ran")
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}

// playInterrupt stops a command as the agent does: its first process alone has
// the signal, and tells the step.
func playInterrupt(t testing.TB, r stepRunner) {
	w, ok := r.(*wrapped)
	if !ok {
		stopped("echo up; sleep 60", 130, "INT")(t, r.(*rig))
		return
	}
	began := time.Now()
	out, _, res := w.runAs(t, sh("echo up; sleep 60; echo not here"), true)
	if took := time.Since(began); took > 15*time.Second || out != "up\n" || res.ExitCode != 143 {
		t.Errorf("got %q %+v after %v", out, res, took)
	}
}
