package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// lostState is what every passed reboot has to say.
const lostState = "the directory and variables of earlier steps are gone"

// reboot is one attempt at a reboot step: the order to restart, the end of the
// session, the target's return, and the boot id in a new session as proof.
type reboot struct {
	*attempt
	before bootID
	// limit is the attempt's time, by the step's timeout. The wait for
	// StartSession's quota may go beyond it: that is not the target's fault.
	limit   context.Context
	sight   sight
	last    error  // why the target was not reached, the last time
	release func() // of the session whose end is expected
}

// reboot restarts the target and goes on in a new session.
func (a *attempt) reboot(ctx context.Context) ending {
	client, e := a.client(ctx)
	if client == nil {
		return e
	}
	before, err := client.bootID(ctx)
	if err != nil {
		e := a.notOpened(ctx, err)
		a.dropShell()
		e.silent = true
		return e
	}
	if e, ok := a.commence(); !ok {
		return e
	}
	if before == (bootID{}) {
		return ending{outcome: outcome.Failed, why: "the target does not tell its boot id, so that a restart could not be proven: it was not restarted"}
	}
	limit, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	r := &reboot{attempt: a, before: before, limit: limit}
	r.sight.look(r) // what the ping status was like before
	r.release = client.session.endWhenLost()
	defer func() { r.release() }()
	result, err := client.Run(limit, a.shellStep(), a.out.stdout, a.out.stderr)
	if e, over := r.ordered(client, result, err); over {
		return e
	}
	return r.comesBack(ctx)
}

// ordered looks at what became of the command that restarts the target, and
// reports whether the attempt is over with it. That its end was not seen, or that
// it was killed, is as it should be.
func (r *reboot) ordered(client *shellClient, result shell.Result, err error) (ending, bool) {
	var refused *shell.RefusedError
	var boot *shell.BootError
	switch {
	case errors.As(err, &refused) && !isClosed(client.session.Done()):
		return r.refused(r.limit, refused), true
	case errors.As(err, &refused), errors.As(err, &boot):
		r.dropShell()
		return ending{outcome: outcome.Unreachable, why: err.Error()}, true
	case err != nil:
		r.last = err
		return ending{}, false
	case result.Cancelled:
		return r.ended(r.limit, result), true
	case result.ExitCode > 0 && result.ExitCode <= 128 && result.Signal == "":
		return ending{outcome: outcome.Failed, why: fmt.Sprintf("the target was not told to restart: the command ended with exit code %d", result.ExitCode)}, true
	}
	return ending{}, false
}

// comesBack waits until the target has gone and is there again with another boot
// id. Sessions that are still of the same boot are waited out.
func (r *reboot) comesBack(ctx context.Context) ending {
	for told := false; ; {
		if r.shell != nil {
			if e, stays := r.sessionStays(ctx); stays {
				return e
			}
			r.dropShell()
		}
		if !told {
			told = true
			r.log.Emit(event.SessionQueued{Job: jobIdent(r.Job), Why: fmt.Sprintf("the target restarts, and has %s to come back", r.step.Timeout)})
		}
		if !r.sight.wait(r) {
			return r.away(ctx)
		}
		if e, over := r.meet(ctx); over {
			return e
		}
	}
}

// sessionStays waits for the end of the job's session and reports whether the
// attempt is over because it stays.
func (r *reboot) sessionStays(ctx context.Context) (ending, bool) {
	session := r.shell.session
	select {
	case <-session.Done():
		return ending{}, false
	case <-r.limit.Done():
	}
	if ctx.Err() != nil {
		return r.cutShort(ctx), true
	}
	// A connection that nothing was heard of may belong to a target that is gone.
	now, err := r.shell.bootID(ctx)
	switch {
	case err != nil:
		r.last = err
		r.dropShell()
		return r.away(ctx), true
	case now == r.before:
		_, why := stoppedAs(r.limit)
		return ending{outcome: outcome.Failed, why: why + ", and the target has not restarted: its boot id is the same"}, true
	}
	return r.back(ctx, now), true
}

// meet opens a session to a target that seems to be there, and reports whether
// the attempt is over with it.
func (r *reboot) meet(ctx context.Context) (ending, bool) {
	client, err := r.openShell(ctx)
	if err == nil {
		var now bootID
		if now, err = client.bootID(ctx); err == nil && now != r.before {
			return r.back(ctx, now), true
		}
	}
	var unrecorded *unrecordedError
	switch {
	case err == nil:
		// It is of the boot before, and will end with it.
		r.release()
		r.release = client.session.endWhenLost()
		r.sight.fresh = false
		return ending{}, false
	case errors.As(err, &unrecorded):
		return ending{outcome: outcome.Unknown, why: "the target was told to restart, and no new session could be recorded"}, true
	}
	r.last = err
	r.dropShell()
	return ending{}, false
}

// back is the end of an attempt whose target is there with another boot id.
func (r *reboot) back(ctx context.Context, now bootID) ending {
	switch {
	case now == (bootID{}):
		return ending{outcome: outcome.Failed, why: "the target is there, but no longer tells its boot id, so that nothing proves that it restarted"}
	case now.source != r.before.source:
		return ending{outcome: outcome.Failed, why: fmt.Sprintf("the target is there, but its boot id came from %s before and from %s now, so that nothing proves that it restarted", r.before.source, now.source)}
	}
	return ending{
		outcome: outcome.Passed,
		said:    fmt.Sprintf("boot id %s, before %s; %s", now.id, r.before.id, lostState),
		result:  plan.Result{Duration: time.Since(r.began), Verified: true},
	}
}

// away is the end of an attempt whose target was not seen again in time.
func (r *reboot) away(ctx context.Context) ending {
	if ctx.Err() != nil {
		return r.cutShort(ctx)
	}
	_, why := stoppedAs(r.limit)
	why += ", and the target was not back"
	if r.last != nil {
		why += ": " + r.last.Error()
	}
	return ending{outcome: outcome.TimedOut, why: why}
}

// cutShort is the end of an attempt that was stopped from outside after the order
// had left. Its time having passed is an answer; anything else is none.
func (r *reboot) cutShort(ctx context.Context) ending {
	o, why := stoppedAs(ctx)
	if o == outcome.TimedOut {
		return ending{outcome: o, why: why + " while the target restarted"}
	}
	return ending{outcome: outcome.Unknown, why: why + " after the target was told to restart: whether it did was not seen"}
}
