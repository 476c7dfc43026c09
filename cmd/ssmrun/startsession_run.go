package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/fleet"
	"github.com/ssmrun/ssmrun/internal/view"
)

const (
	// terminateWait bounds TerminateSession at the end.
	terminateWait = 5 * time.Second

	// closeWait bounds the wait for a session that is cut while the reader of
	// our output takes none.
	closeWait = time.Second
)

// attendance is one session and the operator who attends it.
type attendance struct {
	term           *terminal
	stdout, stderr io.Writer // the session's streams
	notes          io.Writer // what we say ourselves
	separate       bool      // the remote stderr goes to stderr

	listener   net.Listener // of a forwarded port; nil until it is known
	forwarding bool         // a port is open
	begun      *fleet.Begun
	session    *channel.Session
	wg         sync.WaitGroup
}

// run starts the session, attends it and sees to its end. The error has the
// exit code; nil is 0.
func (a *attendance) run(ctx context.Context, f *fleet.Fleet, r fleet.Request) error {
	defer a.term.restore()
	defer a.term.guard()
	leave := catchDeparture(ctx, a.term)
	defer leave.release()
	if err := a.listen(leave.ctx, r.Parameters["localPortNumber"]); err != nil {
		return explainRequest(leave.ctx, err)
	}
	defer a.closeListener()
	if err := f.Open(leave.ctx, nil); err != nil {
		return explainRequest(leave.ctx, err)
	}
	begun, err := f.Begin(leave.ctx, "aws", r)
	if err != nil {
		return explainRequest(leave.ctx, err)
	}
	a.begun = begun
	if a.term.shown() {
		fmt.Fprintf(a.stdout, "\nStarting session with SessionId: %s\n", view.Sanitize(begun.ID()))
	}
	result := a.connected(leave)
	a.term.restore()
	ended := hasEnded(result)
	a.terminate(leave.ctx, ended)
	a.farewell(result)
	return a.explainEnd(leave.ctx, result)
}

// connected opens the channel and returns the session's result when it has
// ended or is not wanted any more.
func (a *attendance) connected(leave *departure) error {
	stderr := a.stdout
	if a.separate {
		stderr = a.stderr
	}
	session, err := a.begun.Connect(leave.ctx, fleet.Output{Stdout: a.stdout, Stderr: stderr, OnReconnect: a.reconnecting})
	if err != nil {
		return err
	}
	a.session = session
	defer a.close()
	if session.Ready(leave.ctx) != nil {
		return session.Wait(leave.ctx)
	}
	kind := channel.SessionType(session.Type())
	if text := session.CustomerMessage(); text != "" {
		fmt.Fprintln(a.notes, view.Sanitize(text))
	}
	if kind == channel.Port {
		return a.carry(leave.ctx)
	}
	if err := a.attend(leave, kind); err != nil {
		return err
	}
	return session.Wait(leave.ctx)
}

// attend joins the operator to a shell or a command.
func (a *attendance) attend(leave *departure, kind channel.SessionType) error {
	a.start(func() {
		leave.toRemote(a.session.Done(), func(key byte) error {
			_, err := a.session.Write([]byte{key})
			return err
		})
	})
	if kind == channel.NonInteractiveCommands {
		return nil // it has no stdin and no window
	}
	if err := a.term.raw(); err != nil {
		return fmt.Errorf("prepare the terminal: %w", err)
	}
	tell := a.window()
	tell() // before anything that is typed
	a.start(func() { watchWindow(a.session.Done(), tell, a.term.again) })
	keys := keyboard{in: a.term.in, remote: a.session, typed: a.term.interactive()}
	go func() { // ends with the program, if stdin never gives anything
		defer a.term.guard()
		keys.run(a.session.Done())
	}()
	return nil
}

// start runs f beside the session; it must end when the session does.
func (a *attendance) start(f func()) {
	a.wg.Go(func() {
		defer a.term.guard()
		f()
	})
}

// window returns what tells the target the window's size, if it is another.
func (a *attendance) window() (tell func()) {
	var cols, rows int
	return func() {
		c, r := a.term.size()
		if c > 0 && r > 0 && (c != cols || r != rows) && a.session.Resize(c, r) == nil {
			cols, rows = c, r
		}
	}
}

func (a *attendance) reconnecting(attempt int, cause error) {
	if attempt == 1 {
		fmt.Fprintf(a.notes, "ssmrun: the connection was lost, reconnecting: %s\n", view.Sanitize(cause.Error()))
	}
}

// close cuts the session and waits for what runs beside it. One whose output
// nobody takes is left to the end of the program.
func (a *attendance) close() {
	closed := make(chan struct{})
	go func() {
		a.session.Close()
		a.wg.Wait()
		close(closed)
	}()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// terminate ends the session at the service, which is asked even when the
// session is over already: that costs nothing.
func (a *attendance) terminate(ctx context.Context, ended bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), terminateWait)
	defer cancel()
	if err := a.begun.Terminate(ctx); err != nil && !ended {
		fmt.Fprintf(a.notes, "ssmrun: the session may still be open: %s\n", view.Sanitize(err.Error()))
	}
}
