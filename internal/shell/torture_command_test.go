package shell

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// wrapped is a target of kind command.
type wrapped struct {
	dir     string // first in PATH: has its sh
	latency time.Duration
}

func (w *wrapped) signals() bool { return false }

func (w *wrapped) run(t testing.TB, step Step) (stdout, stderr string, res Result) {
	t.Helper()
	return w.runAs(t, step, false)
}

// runAs runs a step as the agent runs a command. One that is to be stopped has
// its first process interrupted when it has printed something.
func (w *wrapped) runAs(t testing.TB, step Step, stop bool) (stdout, stderr string, res Result) {
	t.Helper()
	line, trailer, err := WrapCommand(step)
	if err != nil {
		t.Fatal(err)
	}
	words := split(t, line)
	var cmd *exec.Cmd
	out := &firstWrite{then: func() {
		if stop {
			time.Sleep(w.latency + 300*time.Millisecond)
			cmd.Process.Signal(syscall.SIGINT)
		}
	}}
	var errs bytes.Buffer
	trailer.SetOutput(out, &errs)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd = exec.CommandContext(ctx, filepath.Join(w.dir, words[0]), words[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+w.dir+":"+os.Getenv("PATH"), "LANG=C.UTF-8")
	stdoutOf, stderrOf := w.pipe(t, trailer.Stdout()), w.pipe(t, trailer.Stderr())
	cmd.Stdout, cmd.Stderr = stdoutOf.end, stderrOf.end
	err = cmd.Start()
	stdoutOf.end.Close()
	stderrOf.end.Close()
	if err != nil {
		t.Fatal(err)
	}
	<-stdoutOf.done
	<-stderrOf.done
	cmd.Wait()
	if res, err = trailer.Result(); err != nil {
		t.Fatalf("%v: %s", err, trailer.Screen())
	}
	if code := cmd.ProcessState.ExitCode(); code != res.ExitCode {
		t.Errorf("the command's own exit code: got %d, want %d", code, res.ExitCode)
	}
	return out.String(), errs.String(), res
}

// piped is one output of a command on its way through the agent.
type piped struct {
	end  *os.File      // the command's
	done chan struct{} // closed when all has come
}

func (w *wrapped) pipe(t testing.TB, to io.Writer) piped {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := piped{end: write, done: make(chan struct{})}
	far, farDone := delayed(to, w.latency)
	go func() {
		defer close(p.done)
		copyAsAgent(far, read, agent)
		read.Close()
		far.Close()
		<-farDone
	}()
	return p
}
