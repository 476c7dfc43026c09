package exec

import (
	"context"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// The steps that need no session: wait and approve. local.go has the third.

// wait passes time. Stopping the run ends it: there is nothing on the target
// that would have to finish.
func (a *attempt) wait(ctx context.Context) ending {
	if e, ok := a.commence(); !ok {
		return e
	}
	ctx, release := a.unlessStopped(ctx)
	defer release()
	if !sleep(ctx, a.work.Wait) {
		return a.stoppedHere(ctx)
	}
	return ending{result: plan.Result{Duration: time.Since(a.began), Verified: true}}
}

// approve asks the operator. A no is the operator's way to stop the job.
func (a *attempt) approve(ctx context.Context) ending {
	if e, ok := a.commence(); !ok {
		return e
	}
	ctx, release := a.unlessStopped(ctx)
	defer release()
	approved, why := a.ask(ctx, stepAddress(a.Job, a.step), a.work.Question)
	switch {
	case ctx.Err() != nil && !approved:
		return a.stoppedHere(ctx)
	case !approved:
		return ending{outcome: outcome.Cancelled, why: "approval: " + why}
	}
	return ending{result: plan.Result{Duration: time.Since(a.began), Verified: true}}
}

// unlessStopped bounds a step on this machine: by its limits, and, unless it is
// a finally step, by the run's stopping.
func (a *attempt) unlessStopped(ctx context.Context) (context.Context, func()) {
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	if a.step.Finally {
		return ctx, release
	}
	ctx, unfollow := a.Brake.untilStop(ctx)
	return ctx, func() { unfollow(); release() }
}

// stoppedHere is the end of a step that was stopped and did nothing anywhere.
func (a *attempt) stoppedHere(ctx context.Context) ending {
	o, why := stoppedAs(ctx)
	if o == outcome.TimedOut {
		return ending{result: plan.Result{TimedOut: true, Duration: time.Since(a.began), Verified: true}, why: why}
	}
	if stop, ok := a.stopped(); ok {
		why = stop
	}
	return ending{outcome: o, why: why}
}
