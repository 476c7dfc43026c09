package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// departure turns signals into the end of start-session, and those that a
// terminal makes of keys into keys for the remote side, once there is one.
type departure struct {
	ctx    context.Context // ends with the first signal to leave; its cause is a signalError
	cancel context.CancelCauseFunc
	keys   chan byte // for the remote side
	remote atomic.Bool

	signals chan os.Signal
	done    chan struct{}
	wg      sync.WaitGroup
}

// signalError is why start-session leaves before its session has ended.
type signalError struct{ sig syscall.Signal }

func (e signalError) Error() string { return fmt.Sprintf("ended by the signal %v", e.sig) }

// catchDeparture starts to listen. The terminal is restored as soon as a
// signal ends the program; the next one of that kind ends it at once.
func catchDeparture(ctx context.Context, t *terminal) *departure {
	d := &departure{keys: make(chan byte, 16), signals: make(chan os.Signal, 8), done: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	for _, sig := range leaveSignals {
		d.listen(sig)
	}
	for sig := range keySignals {
		if sig != stopSignal {
			d.listen(sig)
		}
	}
	// Without this a closed pipe on stdout would end the process at once, and
	// leave its session open.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	d.wg.Go(func() {
		defer t.guard()
		for {
			select {
			case <-d.done:
				return
			case sig := <-d.signals:
				d.take(sig, t)
			}
		}
	})
	return d
}

// listen leaves a signal alone that whoever started the program had it ignore,
// as nohup does.
func (d *departure) listen(sig os.Signal) {
	if !signal.Ignored(sig) {
		signal.Notify(d.signals, sig)
	}
}

func (d *departure) take(sig os.Signal, t *terminal) {
	if key, ok := keySignals[sig]; ok && d.remote.Load() {
		select {
		case d.keys <- key:
		default: // the remote side takes nothing
		}
		return
	}
	t.restore()
	number, _ := sig.(syscall.Signal)
	d.cancel(signalError{number})
	signal.Reset(sig)
}

// toRemote makes keys of the signals that are keys, from now on, and gives them
// to write until done is closed.
func (d *departure) toRemote(done <-chan struct{}, write func(key byte) error) {
	d.remote.Store(true)
	for sig := range keySignals {
		d.listen(sig)
	}
	for {
		select {
		case <-done:
			return
		case key := <-d.keys:
			if write(key) != nil {
				return
			}
		}
	}
}

// release stops listening and waits for the goroutine.
func (d *departure) release() {
	signal.Stop(d.signals)
	close(d.done)
	d.wg.Wait()
	d.cancel(nil)
}
