package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// The deadlines of this package. Those of a step and a job are the author's.
const (
	// readyTimeout bounds the wait from StartSession's answer to a channel
	// that takes input; the agent waits 15 s for each answer of the handshake.
	readyTimeout = 45 * time.Second
	// bootTimeout bounds the wait for the step server's first word.
	bootTimeout = 15 * time.Second
	// helperTimeout bounds the sending of a step server and the wait for it.
	helperTimeout = time.Minute
	// silence is how long a step may be silent before the step server is asked
	// whether it lives, and how long it may take to answer. Both together are
	// longer than the channel tries to resume, so that an outage that can be
	// mended does not end a step.
	silence = 75 * time.Second
	// finallyTimeout is a finally step's, unless it has its own.
	finallyTimeout = 30 * time.Second
	// grace is the time between INT, TERM and KILL for a step that is stopped.
	grace = 3 * time.Second
	// cutGrace is how long after a cut a step's end may still arrive.
	cutGrace = 5 * time.Second
	// quitTimeout bounds the wait for a shell that was told to end.
	quitTimeout = 2 * time.Second
	// terminateTimeout bounds TerminateSession.
	terminateTimeout = 5 * time.Second
)

// Why a step was stopped: causes of its context. A context that is done for
// none of these was cut by the operator.
var (
	errStepTimeout = errors.New("the step's timeout passed")
	errWithin      = errors.New("the time for all attempts passed")
	errJobTimeout  = errors.New("the session's timeout passed")
	errHalted      = errors.New("a rollout halted")
	errStopped     = errors.New("stopped")
)

// stoppedAs is the outcome of a step that was stopped for the context's cause
// and whose end was seen.
func stoppedAs(ctx context.Context) (outcome.Outcome, string) {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errStepTimeout), errors.Is(cause, errWithin), errors.Is(cause, errJobTimeout):
		return outcome.TimedOut, cause.Error()
	case errors.Is(cause, errHalted):
		return outcome.Cancelled, cause.Error()
	}
	return outcome.Cancelled, "interrupted"
}

// attemptLimits bounds one attempt by the step's timeout and by what is left
// for all of its attempts, counted from began.
func attemptLimits(ctx context.Context, step *plan.Step, began time.Time) (context.Context, func()) {
	timeout := step.Timeout
	if timeout <= 0 && step.Finally {
		timeout = finallyTimeout
	}
	cancels := []context.CancelFunc{}
	if timeout > 0 {
		c, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w (%s)", errStepTimeout, timeout))
		ctx, cancels = c, append(cancels, cancel)
	}
	if within := step.Retry.Within; within > 0 {
		c, cancel := context.WithDeadlineCause(ctx, began.Add(within), fmt.Errorf("%w (%s)", errWithin, within))
		ctx, cancels = c, append(cancels, cancel)
	}
	return ctx, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// sleep waits and reports whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
