package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// maxParameter is the most characters that StartSession takes as the value of a
// parameter.
const maxParameter = 65535

// overCommand runs an attempt as a session of its own: the command is the
// document's parameter, so the session's intent is the step's, too.
func (a *attempt) overCommand(ctx context.Context) ending {
	command, trailer, err := shell.WrapCommand(a.shellStep())
	if err == nil && len(command) > maxParameter {
		err = errors.New("the command is longer than a parameter may be; use a session of kind shell")
	}
	if err != nil {
		a.begun = true
		return ending{outcome: outcome.Failed, why: err.Error()}
	}
	if err := a.open(); err != nil {
		return ending{outcome: outcome.NotStarted, why: err.Error(), silent: true}
	}
	trailer.SetOutput(a.out.stdout, a.out.stderr)

	starting, release := ctx, func() {}
	if !a.step.Finally {
		starting, release = a.Brake.untilStop(ctx)
	}
	session, err := a.startSession(starting, a.call(a.commandParameters(command)),
		Streams{Stdout: trailer.Stdout(), Stderr: trailer.Stderr()}, a.intent())
	if err != nil {
		defer release()
		if ambiguous(err) {
			a.begun = true
			return ending{outcome: outcome.Unknown, why: err.Error()}
		}
		return a.notOpened(starting, err)
	}
	release()
	a.session = session
	a.begin()
	return a.collect(ctx, session, trailer)
}

func (a *attempt) endOwnSession() {
	if a.session != nil {
		a.endSession(a.session)
	}
}

func (a *attempt) commandParameters(command string) map[string][]string {
	own := map[string][]string{"command": {command}}
	if a.Job.SeparateOutput {
		own["separateOutputStream"] = []string{"true"}
	}
	return own
}

// collect waits for a command session's end, stopping it when its time is over,
// and asks the trailer what it saw.
func (a *attempt) collect(ctx context.Context, s *openSession, trailer *shell.Trailer) ending {
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	if s.Ready(ctx) == nil {
		a.ready(s)
	}
	stopped, draining := false, false
	end := s.Wait(ctx)
	if ctx.Err() != nil && !isClosed(s.Done()) {
		if draining = trailer.Ended(); !draining {
			stopped = true
			end = a.stopSession(s)
		}
	}
	result, err := trailer.Result()
	if refused, ok := errors.AsType[*channel.EncryptionError](end); ok && err != nil && !refused.Unasked {
		// The agent waits for the handshake before it runs anything.
		return ending{outcome: outcome.Unreachable, why: refused.Error()}
	}
	if err != nil {
		if end != nil && !isExit(end) {
			err = fmt.Errorf("%w; %w", err, end)
		}
		return a.lost(ctx, err)
	}
	result.Cancelled = result.Cancelled || stopped
	e := a.ended(ctx, result)
	if draining {
		e.said = stillEnding(ctx)
	}
	return e
}

// stillEnding is what to say of a command that had ended when ctx did, while its
// session had not.
func stillEnding(ctx context.Context) string {
	_, why := stoppedAs(ctx)
	return why + "; the command had ended by then, and only its session had not"
}

// stopSession interrupts the remote command and waits a while for its end.
func (a *attempt) stopSession(s *openSession) error {
	_ = s.Interrupt() // that it cannot be sent shows in the wait
	wait := 2 * grace
	if a.cut.Err() != nil {
		wait = cutGrace
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.cut), wait)
	defer cancel()
	err := s.Wait(ctx)
	if ctx.Err() != nil && !isClosed(s.Done()) {
		err = s.withOutage(errors.New("it did not stop within " + wait.Round(time.Second).String()))
		_ = s.Close()
	}
	return err
}

// withOutage adds to err why the session has no connection, if it has none: what
// was to stop its command has not arrived then.
func (s *openSession) withOutage(err error) error {
	if outage := s.Outage(); outage != nil {
		return fmt.Errorf("%w; %w", err, outage)
	}
	return err
}

// exitWith is what Wait returns for a session that ended with an exit code.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &channel.ExitError{Code: code}
}

func isExit(err error) bool {
	var exit *channel.ExitError
	return errors.As(err, &exit)
}

// exitCodeOf returns the exit code with which a session ended, if it had one.
func exitCodeOf(end error) (int, bool) {
	if exit, ok := errors.AsType[*channel.ExitError](end); ok {
		return exit.Code, true
	}
	return 0, end == nil
}
