package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// interrupts turns signals into the two ways a run stops. The first one lets
// what runs finish and starts nothing new; the second one cuts the sessions;
// the third one leaves at once.
type interrupts struct {
	stopping chan struct{}   // closed by the first signal
	ctx      context.Context // cancelled by the second

	signals chan os.Signal
	done    chan struct{}
	wg      sync.WaitGroup
}

// catchInterrupts starts listening for SIGINT, SIGTERM and SIGHUP, and says on
// w what each will do.
func catchInterrupts(ctx context.Context, w io.Writer) *interrupts {
	ctx, cancel := context.WithCancel(ctx)
	in := &interrupts{
		stopping: make(chan struct{}),
		ctx:      ctx,
		signals:  make(chan os.Signal, 3),
		done:     make(chan struct{}),
	}
	signal.Notify(in.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// Without this a closed pipe on stdout would end the process at once, and
	// leave its sessions open.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	in.wg.Go(func() {
		defer cancel()
		for n := 1; ; n++ {
			select {
			case <-in.done:
				return
			case <-in.signals:
			}
			switch n {
			case 1:
				fmt.Fprintln(w, "\nInterrupt received: nothing new starts, what runs may finish. Interrupt again to cut the sessions.")
				close(in.stopping)
			case 2:
				fmt.Fprintln(w, "\nTwo interrupts received: the sessions are being cut and terminated.")
				cancel()
			default:
				fmt.Fprintln(w, "\nThree interrupts received: leaving now. Sessions may be open still.")
				os.Exit(130)
			}
		}
	})
	return in
}

// beforeRun is a context for the time before anything runs on a target: the
// first signal cancels it.
func (in *interrupts) beforeRun() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(in.ctx)
	stop := make(chan struct{})
	in.wg.Go(func() {
		select {
		case <-in.stopping:
			cancel()
		case <-stop:
		}
	})
	return ctx, func() {
		close(stop)
		cancel()
	}
}

// interrupted reports whether a signal has come.
func (in *interrupts) interrupted() bool {
	select {
	case <-in.stopping:
		return true
	default:
		return false
	}
}

// explain replaces what an interrupt made of an error by the interrupt itself.
func (in *interrupts) explain(err error) error {
	if in.interrupted() {
		return exitError{code: outcome.ExitInterrupted, err: errors.New("interrupted: nothing was run")}
	}
	return err
}

// release stops listening and waits for the goroutines.
func (in *interrupts) release() {
	signal.Stop(in.signals)
	close(in.done)
	in.wg.Wait()
}
