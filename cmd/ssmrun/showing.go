package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/view"
)

// behind is how long a question waits for a view that has not shown all yet.
const behind = 500 * time.Millisecond

// showing is a view that follows a log in a goroutine of its own.
type showing struct {
	ended chan error // gets the view's error when the log was closed and all is shown
	seen  atomic.Uint64
	moved chan struct{}
}

// show shows the log's events with v as they come, until the log is closed.
func show(log *event.Log, v view.View) *showing {
	s := &showing{ended: make(chan error, 1), moved: make(chan struct{}, 1)}
	watcher := log.Watch()
	go func() {
		for rec := range watcher.Records() {
			v.Record(rec)
			s.seen.Store(rec.Seq)
			select {
			case s.moved <- struct{}{}:
			default:
			}
		}
		s.ended <- v.Close()
	}()
	return s
}

// until returns when the view has shown the events up to a number, or after a
// little time: a screen that stands still does not hold a run up. One caller
// at a time.
func (s *showing) until(ctx context.Context, seq uint64) {
	timer := time.NewTimer(behind)
	defer timer.Stop()
	for s.seen.Load() < seq {
		select {
		case <-s.moved:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// view is the one that the flags ask for.
func (a *applying) view(u *ui, opts view.Options) view.View {
	switch {
	case u.json:
		return view.NewJSON(u.stdout)
	case a.adhoc != nil:
		return view.NewFold(u.stdout, opts)
	}
	return view.NewPlain(u.stdout, opts)
}
