package exec

import (
	"context"
	"errors"
)

// Brake tells the running jobs of one rollout to wind down, at once or in two
// stages. Jobs read it; only the coordinator pulls it.
type Brake struct {
	stop, cancel         context.Context
	pullStop, pullCancel context.CancelCauseFunc
}

func newBrake() *Brake {
	b := &Brake{}
	b.stop, b.pullStop = context.WithCancelCause(context.Background())
	b.cancel, b.pullCancel = context.WithCancelCause(context.Background())
	return b
}

// Stop is closed when no further step and no further attempt may start. The
// step that runs finishes, and finally steps run.
func (b *Brake) Stop() <-chan struct{} { return b.stop.Done() }

// Cancel is closed when the running step has to be stopped as well. Finally
// steps run. Stop is closed by then.
func (b *Brake) Cancel() <-chan struct{} { return b.cancel.Done() }

// Stopped reports whether Stop is closed, and why.
func (b *Brake) Stopped() (why string, stopped bool) {
	if b.stop.Err() == nil {
		return "", false
	}
	return context.Cause(b.stop).Error(), true
}

// pull closes Stop, and Cancel when asked. The first reason stays.
func (b *Brake) pull(why string, cancel bool) {
	b.pullStop(errors.New(why))
	if cancel {
		b.pullCancel(errors.New(why))
	}
}

// untilStop returns a context that is done when ctx is, or when Stop is closed:
// then its cause is errStopped. The function releases it.
func (b *Brake) untilStop(ctx context.Context) (context.Context, func()) {
	return follow(ctx, b.stop, errStopped)
}

// untilCancel is untilStop for Cancel, with errHalted as cause.
func (b *Brake) untilCancel(ctx context.Context) (context.Context, func()) {
	return follow(ctx, b.cancel, errHalted)
}

func follow(ctx, other context.Context, kind error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(other, func() { cancel(&pulledError{kind: kind, why: context.Cause(other)}) })
	return ctx, func() {
		release()
		cancel(context.Canceled)
	}
}

// pulledError is the cause of what a brake ended: errStopped or errHalted by its
// kind, and in its words why the brake was pulled.
type pulledError struct{ kind, why error }

func (e *pulledError) Error() string { return e.why.Error() }
func (e *pulledError) Unwrap() error { return e.kind }
