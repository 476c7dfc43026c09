package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

const (
	// promptSilence is how long a program may be silent before a prompt without
	// a timeout of its own counts as never asked.
	promptSilence = time.Minute
	// The size of the terminal that documents get: wide, so that lines, and
	// answers in them, are broken up less.
	terminalColumns, terminalRows = 240, 50
)

// overDocument runs the command of the session's document in a session of its
// own, and answers what it asks. The session's intent is the step's, too.
func (a *attempt) overDocument(ctx context.Context) ending {
	t, err := newTalk(a)
	if err != nil {
		a.begun = true
		return ending{outcome: outcome.Failed, why: err.Error()}
	}
	if err := a.open(); err != nil {
		return ending{outcome: outcome.NotStarted, why: err.Error(), silent: true}
	}
	t.stdout = a.out.stdout
	starting, release := ctx, func() {}
	if !a.step.Finally {
		starting, release = a.Brake.untilStop(ctx)
	}
	session, err := a.startSession(starting, a.call(nil), Streams{Stdout: t, Stderr: a.out.stderr}, a.intent())
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
	return a.converse(ctx, session, t)
}

// converse answers until the session ends, a prompt does not come, or ctx is
// done; in the latter cases it stops the program.
func (a *attempt) converse(ctx context.Context, s *openSession, t *talk) ending {
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	if s.Ready(ctx) == nil {
		a.ready(s)
		if s.Type() != string(channel.NonInteractiveCommands) {
			_ = s.Resize(terminalColumns, terminalRows) // a terminal of another size works too
		}
	}
	t.begin(time.Now())
	trouble := t.serve(ctx, s.Done(), func(answer []byte) error {
		_, err := s.Write(answer)
		return err
	})
	var end error
	var said string
	stopped := !isClosed(s.Done())
	switch code, over := s.ExitCode(); {
	case !stopped:
		end = s.Wait(context.Background())
	case over && ctx.Err() != nil:
		stopped, said, end = false, stillEnding(ctx), exitWith(code)
	default:
		end = a.stopSession(s)
	}
	e := ending{result: t.result(end), said: said}
	e.result.Duration = time.Since(a.began)
	if why := unseen(end); why != nil {
		return a.unseenEnd(ctx, t, why, trouble)
	}
	if said := closingWords(end); said != "" {
		e.note = fmt.Sprintf("the service says %q", said)
	}
	switch {
	case !stopped:
	case trouble != nil:
		e.outcome, e.why = outcome.Failed, trouble.Error()
	case ctx.Err() != nil:
		o, why := stoppedAs(ctx)
		e.why = why
		if o == outcome.TimedOut {
			e.result.TimedOut = true
		} else {
			e.outcome = o
		}
	}
	return e
}

// unseen is why the end of a document's command is not known, or nil: without an
// exit code the session's orderly end is all there is to see.
func unseen(end error) error {
	missing, ok := errors.AsType[*channel.ExitMissingError](end)
	switch {
	case end == nil || isExit(end):
		return nil
	case ok && missing.Cause == nil && !missing.Gap:
		return nil
	}
	return end
}

// closingWords is what the service said with the end of a session, mostly nothing.
func closingWords(end error) string {
	if missing, ok := errors.AsType[*channel.ExitMissingError](end); ok {
		return missing.Output
	}
	return ""
}

// unseenEnd is the end of an attempt whose end was not seen.
func (a *attempt) unseenEnd(ctx context.Context, t *talk, end, trouble error) ending {
	if refused, ok := errors.AsType[*channel.EncryptionError](end); ok && !refused.Unasked && !t.heard() {
		// The agent waits for the handshake before it runs anything.
		return ending{outcome: outcome.Unreachable, why: refused.Error()}
	}
	if trouble == nil {
		trouble = t.late()
	}
	if trouble != nil {
		end = fmt.Errorf("%w; then its end was not seen: %w", trouble, end)
	}
	return a.lost(ctx, end)
}

// answerDue renders an answer that depends on the output. The recording is not
// written to meanwhile.
func (a *attempt) answerDue(prompt int, stdout *plan.Recording) ([]byte, error) {
	answer, conceal, diags := a.eval.Answer(a.Job, a.step, prompt, a.Facts, stdout)
	a.opts.Redactor.Add(conceal...)
	a.log.Emit(a.diagnosticFacts(stepAddress(a.Job, a.step), diags)...)
	if diags.HasErrors() {
		return nil, errors.New("an answer could not be given: " + firstError(diags))
	}
	return answer, nil
}
