package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// ErrForwarding is what Stdio returns for a port session that carries the
// connections of a local port: that is Forward's.
var ErrForwarding = errors.New("the document forwards a port and gives no plain stream: open a local port for it")

// Stdio joins in and out to the one plain stream of the session
// (AWS-StartSSHSession): what a ProxyCommand of ssh does. It returns nil when
// the server behind the port closed, when in ended and the target had no more
// to say for Options.Linger, and when ctx ended; an *EndedError when the
// session ended without a byte from the target or with a word from the service.
// The session is closed then.
//
// A Read of in that waits cannot be stopped: it may go on after Stdio returned,
// and what it reads is lost. A Write to out that waits keeps Stdio.
func Stdio(ctx context.Context, session *channel.Session, in io.Reader, out io.Writer, opts Options) error {
	defer session.Close()
	port, err := session.Port(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return notTaken(err)
	}
	if port.Properties().Type == channel.LocalPortForwarding {
		return ErrForwarding
	}
	s := &stdio{session: session, port: port, opts: opts.withDefaults(), fed: make(chan error, 1), drawn: make(chan error, 1)}
	go func() { s.fed <- s.feed(in) }() // ends with in, or its next Read after the session
	go func() { s.drawn <- s.draw(out) }()
	return s.run(ctx)
}

// stdio is one Stdio.
type stdio struct {
	session    *channel.Session
	port       *channel.PortStream
	opts       Options
	fed, drawn chan error // how the directions ended
	heard      ear
	received   int64 // read when drawn has been
}

func (s *stdio) run(ctx context.Context) error {
	select {
	case err := <-s.drawn:
		return s.verdict(err)
	case <-ctx.Done():
		return s.leave(nil)
	case err := <-s.fed:
		if err != nil {
			return s.leave(err)
		}
		return s.lastWords(ctx)
	}
}

// lastWords is the rest when in has ended. The agent cannot be told of that
// but by closing both directions, so the target is heard out first.
func (s *stdio) lastWords(ctx context.Context) error {
	if s.port.Drain(ctx) != nil {
		return s.leave(nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := make(chan struct{})
	go func() { // ends with ctx
		defer close(silent)
		s.heard.silence(s.opts.Linger, ctx.Done())
	}()
	select {
	case err := <-s.drawn:
		cancel()
		<-silent
		return s.verdict(err)
	case <-silent:
		return s.leave(nil)
	}
}

// leave ends the session from here. What arrived before is still written.
func (s *stdio) leave(result error) error {
	leave(s.session, s.port, s.opts.LeaveTimeout)
	select {
	case <-s.session.Done(): // what arrived is there to be drawn
	default:
		s.port.Close()
	}
	if err := <-s.drawn; result == nil && errors.As(err, new(*writeError)) {
		result = err
	}
	return result
}

// verdict is the result when the target's direction has ended.
func (s *stdio) verdict(err error) error {
	if errors.As(err, new(*writeError)) {
		leave(s.session, s.port, s.opts.LeaveTimeout)
		return err
	}
	err = ended(s.session.Wait(context.Background()), s.port.Properties())
	var over *EndedError
	if !errors.As(err, &over) {
		return err
	}
	over.Silent = s.received == 0
	if over.Silent || over.Output != "" {
		return over
	}
	return nil
}

// feed carries in to the target. The error is in's.
func (s *stdio) feed(in io.Reader) error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := s.port.Write(buf[:n]); err != nil {
				<-s.session.Done() // its end tells why
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read input: %w", err)
		}
	}
}

// writeError is an error of out.
type writeError struct{ err error }

func (e *writeError) Error() string { return "write output: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// draw carries the target's bytes to out, to the session's end.
func (s *stdio) draw(out io.Writer) error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := s.port.Read(buf)
		if n > 0 {
			s.heard.touch()
			s.received += int64(n)
			if _, err := out.Write(buf[:n]); err != nil {
				return &writeError{err}
			}
		}
		if err != nil {
			return err
		}
	}
}
