package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// drainDelay is how long after a local command's end its output is still read:
// what it left running must not delay the result.
const drainDelay = time.Second

// local runs a command on this machine, in a process group of its own, so that
// the terminal's Ctrl-C does not reach it and all of it can be stopped.
func (a *attempt) local(ctx context.Context) ending {
	if e, ok := a.commence(); !ok {
		return e
	}
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	if len(a.work.Argv) == 0 {
		return ending{outcome: outcome.Failed, why: "the command is empty"}
	}
	cmd := exec.Command(a.work.Argv[0], a.work.Argv[1:]...)
	cmd.Dir = a.work.Dir
	if cmd.Dir == "" {
		cmd.Dir = a.plan.Dir
	}
	cmd.Env = os.Environ()
	for _, v := range a.work.Env {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	if a.work.Stdin != nil {
		cmd.Stdin = bytes.NewReader(a.work.Stdin)
	}
	cmd.Stdout, cmd.Stderr = a.out.stdout, a.out.stderr
	cmd.WaitDelay = drainDelay
	ownGroup(cmd)

	result := plan.Result{Verified: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(a.out.stderr, err)
		code := startCode(err)
		result.ExitCode, result.Duration = &code, time.Since(a.began)
		return ending{result: result}
	}
	stopped := waitLocal(ctx, a.cut, cmd)
	code, signal := exitStatus(cmd.ProcessState)
	result.ExitCode, result.Signal, result.Duration = &code, signal, time.Since(a.began)
	if !stopped {
		return ending{result: result}
	}
	o, why := stoppedAs(ctx)
	if o == outcome.TimedOut {
		result.TimedOut = true
		return ending{result: result, why: why}
	}
	return ending{result: result, outcome: o, why: why}
}

// waitLocal waits for a command and, when ctx is done, stops its process group:
// interrupt, terminate, kill. It reports whether it did.
func waitLocal(ctx, cut context.Context, cmd *exec.Cmd) (stopped bool) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the state says how it ended
	}()
	select {
	case <-ended:
		return false
	case <-ctx.Done():
	}
	for _, stop := range []func(*exec.Cmd){interruptGroup, terminateGroup} {
		stop(cmd)
		wait := grace
		if cut.Err() != nil {
			wait = cutGrace / 3
		}
		timer := time.NewTimer(wait)
		select {
		case <-ended:
			timer.Stop()
			killGroup(cmd) // what it left behind
			return true
		case <-timer.C:
		}
	}
	killGroup(cmd)
	<-ended
	return true
}

// startCode is the exit code that a shell gives for a command that cannot be
// started.
func startCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}
