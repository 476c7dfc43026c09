package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/ssmrun/ssmrun/internal/awscli"
	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/fleet"
	"github.com/ssmrun/ssmrun/internal/tunnel"
	"github.com/ssmrun/ssmrun/internal/view"
)

// signalExit is what a shell adds to the number of the signal that ended a
// program.
const signalExit = 128

// hasEnded reports whether a session's result says that the service, or the
// remote program, ended it.
func hasEnded(result error) bool {
	missing, ok := errors.AsType[*channel.ExitMissingError](result)
	if ok {
		return missing.Cause == nil
	}
	if _, ok := errors.AsType[*tunnel.EndedError](result); ok {
		return true
	}
	_, exited := errors.AsType[*channel.ExitError](result)
	return result == nil || exited
}

// farewell says how the session ended. The service's words are for people, and
// come from outside.
func (a *attendance) farewell(result error) {
	id := view.Sanitize(a.begun.ID())
	if missing, ok := errors.AsType[*channel.ExitMissingError](result); ok && missing.Output != "" {
		fmt.Fprintf(a.notes, "SessionId: %s : %s\n", id, view.Sanitize(missing.Output))
		return
	}
	if a.term.shown() {
		fmt.Fprintf(a.stdout, "\n\nExiting session with sessionId: %s.\n\n", id)
	}
}

// explainEnd gives a session's result its exit code: the remote one, when
// there is one. A session that has none, such as a shell's, and that was ended
// by nobody else is a success.
func (a *attendance) explainEnd(ctx context.Context, result error) error {
	if left, ok := errors.AsType[signalError](context.Cause(ctx)); ok {
		if a.forwarding && left.sig == syscall.SIGINT {
			return nil // there is no other way to close a port
		}
		return exitError{code: signalExit + int(left.sig)}
	}
	if result == nil {
		return nil
	}
	if exit, ok := errors.AsType[*channel.ExitError](result); ok {
		if code := exit.Code & 0xff; code != 0 {
			return exitError{code: code}
		}
		return exitError{code: awscli.ExitGeneral} // a code that this system cannot tell
	}
	if errors.Is(result, syscall.EPIPE) {
		return exitError{code: signalExit + int(syscall.SIGPIPE)}
	}
	missing, ok := errors.AsType[*channel.ExitMissingError](result)
	switch {
	case !ok:
		return exitError{awscli.ExitGeneral, errorText(view.Sanitize(result.Error()))}
	case missing.Cause == nil && !missing.Gap && missing.Output == "":
		return nil
	case missing.Cause == nil && !missing.Gap:
		return exitError{code: awscli.ExitGeneral} // the service's words were shown
	}
	return exitError{awscli.ExitGeneral, errorText(view.Sanitize(result.Error()))}
}

// explainRequest is why there is no session, as the AWS CLI has it.
func explainRequest(ctx context.Context, err error) error {
	if left, ok := errors.AsType[signalError](context.Cause(ctx)); ok {
		return exitError{code: signalExit + int(left.sig)}
	}
	refused, ok := errors.AsType[*fleet.RequestError](err)
	switch {
	case errors.Is(err, fleet.ErrNoRegion):
		return awscli.NoRegion()
	case errors.Is(err, fleet.ErrNoCredentials):
		return awscli.NoCredentials()
	case ok && refused.Code != "":
		return refusal(refused)
	}
	return &awscli.Error{Exit: awscli.ExitGeneral, Message: view.Sanitize(err.Error())}
}

// refusal is the service's no.
func refusal(e *fleet.RequestError) error {
	return hinted{awscli.ServiceError(view.Sanitize(e.Code), view.Sanitize(e.Message), e.Retries), e.Hint}
}

// hinted is an error with what to do about it, which may be "".
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
