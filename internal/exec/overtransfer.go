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

// progressEvery is how often a transfer says how far it is.
const progressEvery = 5 * time.Second

// overTransfer runs an attempt at an upload or a download, through the step
// server of the job's session.
func (a *attempt) overTransfer(ctx context.Context) ending {
	client, e := a.liveClient(ctx)
	if client == nil {
		return e
	}
	if e, ok := a.commence(); !ok {
		return e
	}
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	var done plan.Transferred
	var err error
	if a.step.Action == plan.ActionUpload {
		done, err = a.upload(ctx, client)
	} else {
		done, err = a.download(ctx, client)
	}
	if err != nil {
		return a.notTransferred(ctx, err)
	}
	return ending{result: plan.Result{Duration: time.Since(a.began), Verified: true, Transfer: &done}}
}

// localError is what is wrong on this machine: another attempt would not help.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// notTransferred is the end of a transfer that did not succeed. Short of its
// last step a transfer changes nothing that anyone sees, so that to lose the
// session is a failure and not unknown; the next attempt goes on from there.
func (a *attempt) notTransferred(ctx context.Context, err error) ending {
	if _, ok := errors.AsType[localError](err); ok {
		return ending{outcome: outcome.Failed, why: err.Error()}
	}
	if failed, ok := errors.AsType[*shell.TransferError](err); ok {
		if !failed.Cancelled || ctx.Err() == nil {
			return ending{outcome: outcome.Failed, why: err.Error(), again: true}
		}
		o, why := stoppedAs(ctx)
		if o == outcome.TimedOut {
			return ending{why: why, result: plan.Result{TimedOut: true, Duration: time.Since(a.began)}}
		}
		return ending{outcome: o, why: why}
	}
	a.dropShell()
	if _, ok := errors.AsType[*shell.PlacingError](err); ok {
		e := a.lost(ctx, err)
		e.again = !a.work.Upload.Tree.Dir || a.work.Upload.Replace
		return e
	}
	if ctx.Err() != nil {
		o, why := stoppedAs(ctx)
		return ending{outcome: o, why: why + ", and the session was lost: the destination is as it was"}
	}
	return ending{outcome: outcome.Failed, why: "the session was lost, and the destination is as it was: " + err.Error(), again: true}
}

// upload sends what the plan has seen.
func (a *attempt) upload(ctx context.Context, client *shellClient) (plan.Transferred, error) {
	work := a.work.Upload
	content, err := openContent(work.Tree)
	if err != nil {
		return plan.Transferred{}, localError{err}
	}
	defer content.Close()
	progress := a.progress()
	_, err = client.Upload(ctx, shell.Upload{
		Content: content, Size: content.size, SHA256: content.sha256, Tree: work.Tree.Dir,
		Destination: work.Destination, Target: a.Job.Target.ID, Replace: work.Replace, Mode: work.Mode, Owner: work.Owner,
		User: a.work.User, Grace: grace,
		Progress: func(done int64) { progress(done, content.size) },
	})
	return plan.Transferred{Bytes: content.size, SHA256: content.sha256}, err
}

// download fetches a file or a directory to its place on this machine.
func (a *attempt) download(ctx context.Context, client *shellClient) (plan.Transferred, error) {
	work := a.work.Download
	address := stepAddress(a.Job, a.step)
	if other, taken := a.downloads.LoadOrStore(work.Destination, address); taken && other != address {
		return plan.Transferred{}, localError{fmt.Errorf("%s writes %s in this run, too; put ${target.id} into the path", other, work.Destination)}
	}
	place := &landing{destination: work.Destination}
	defer place.close()
	done, err := client.Download(ctx, shell.Download{
		Source: work.Source, User: a.work.User, Grace: grace, Limit: maxDownload,
		Open:     place.open,
		Progress: a.progress(),
	})
	var failed *shell.TransferError
	if err != nil {
		if place.err != nil {
			return plan.Transferred{}, localError{place.err}
		}
		// After a loss what came is there for the next attempt.
		place.keep = !errors.As(err, &failed)
		return plan.Transferred{}, err
	}
	sum, err := place.land(done.Tree)
	if err != nil {
		return plan.Transferred{}, localError{err}
	}
	return plan.Transferred{Bytes: done.Bytes, SHA256: sum}, nil
}

// progress returns a function that tells now and then how far a transfer is.
func (a *attempt) progress() func(done, total int64) {
	told := time.Now()
	ident := stepIdent(a.Job, a.step, a.number)
	return func(done, total int64) {
		if time.Since(told) < progressEvery {
			return
		}
		told = time.Now()
		a.log.Emit(event.StepProgress{Step: ident, Done: done, Total: total})
	}
}
