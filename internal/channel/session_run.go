package channel

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// lostError says that a connection ended, which is no end of the session.
type lostError struct{ err error }

func (e *lostError) Error() string { return "connection lost: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// errTextFrame: only the client sends one, and only as the first frame.
var errTextFrame = &ProtocolError{Doing: "read message", Err: errors.New("a text frame")}

// run receives until the session ends, over as many connections as it takes.
func (s *Session) run(t Transport) {
	err := s.guard(func() error {
		o := &outage{session: s}
		for {
			err := s.serve(t, o)
			t.Close()
			s.stream.detach(t)
			if err == nil || !s.mayReconnect(err) {
				s.distrust(err)
				return err
			}
			if t, err = o.reconnect(err); err != nil {
				return err
			}
		}
	})
	s.finish(err)
}

// distrust forgets the exit code when the session ends because of what was
// received or because it could not be passed on: its output is not complete.
func (s *Session) distrust(err error) {
	if err == nil || errors.As(err, new(*lostError)) {
		return
	}
	s.mu.Lock()
	s.exit = nil
	s.mu.Unlock()
}

// guard turns a panic, be it ours or a writer's, into the end of this session:
// what one target sends must not end the others.
func (s *Session) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			s.distrust(err)
		}
	}()
	return f()
}

// serve receives from one connection, and settles all that it brought.
func (s *Session) serve(t Transport, o *outage) error {
	err := s.receive(t, o)
	if unsettled := s.stream.settleLast(t, err); unsettled != nil && (err == nil || errors.As(err, new(*lostError))) {
		return unsettled
	}
	return err
}

// receive receives from one connection. It returns nil after channel_closed, a
// *lostError when the connection ended, another error when the session must.
// Where frames end is the transport's to say; what it calls a ProtocolError is
// one.
func (s *Session) receive(t Transport, o *outage) error {
	heard, closed := false, false
	settle := s.stream.settling(t)
	for {
		frame, err := t.ReadFrame()
		if err != nil {
			return s.stream.ended(t, err)
		}
		if frame.Text {
			return errTextFrame
		}
		s.fresh = true
		kind, payload, err := s.stream.receive(t, frame.Data)
		if err != nil {
			return err
		}
		if !heard {
			heard = true
			o.attempts = 0
			s.watch.clear(waitStart)
		}
		switch kind {
		case TypeStartPublication:
			s.announced()
		case TypeChannelClosed:
			if err := s.closing(payload); err != nil {
				return err
			}
			closed = true
		}
		if closed {
			if _, _, gap := s.stream.inbox.gap(); !gap {
				return nil
			}
		}
		if err := settle(); err != nil {
			return err
		}
	}
}

// closing takes channel_closed. If messages are missing the session stays a
// little, for they may have been overtaken.
func (s *Session) closing(payload []byte) error {
	closed, err := ParseChannelClosed(payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.closed = &closed
	s.mu.Unlock()
	s.watch.set(waitGap, gapTimeout)
	return nil
}

// mayReconnect reports whether the session goes on after err.
func (s *Session) mayReconnect(err error) bool {
	var lost *lostError
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transport = nil
	return errors.As(err, &lost) && s.failure == nil && s.closed == nil && s.refused == nil && s.cfg.Resume != nil
}

// fail ends the session for a reason of this end; the first one stays.
func (s *Session) fail(cause error) {
	s.mu.Lock()
	if s.failure == nil {
		s.failure = cause
	}
	t := s.transport
	s.mu.Unlock()
	s.cancel()
	if s.port != nil {
		s.port.in.end(cause) // the receiving goroutine may wait there
	}
	if t != nil {
		t.Close()
	}
}

// finish settles the result. Nothing of the session runs when it returns.
func (s *Session) finish(err error) {
	s.mu.Lock()
	if s.failure != nil {
		err = s.failure // what came after it is only its consequence
	}
	if s.closed != nil && errors.As(err, new(*lostError)) {
		err = nil // the service hung up after channel_closed
	}
	if (s.phase == phaseKeyed || s.phase == phaseShaken && s.proven) && s.refused == nil && s.closed != nil {
		s.refused = &EncryptionError{Reason: fmt.Sprintf("the agent did not go on with the data key: the service said %q", s.closed.Output)}
	}
	if s.refused != nil && (err == nil || errors.As(err, new(*lostError)) || errors.As(err, new(*TimeoutError))) {
		err = s.refused // that the agent did not hang up is only its consequence
	}
	s.failure = err
	s.result = s.verdict(err)
	s.mu.Unlock()

	s.cancel()
	s.watch.stop()
	ended := ErrClosed
	if err != nil {
		ended = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	s.stream.end(ended)
	if s.port != nil {
		s.port.finish(s.result)
	}
	close(s.done)
}

// verdict is what Wait returns. mu is held.
func (s *Session) verdict(cause error) error {
	missing := &ExitMissingError{Cause: cause, Code: s.exit}
	missing.MissingFrom, missing.MissingTo, missing.Gap = s.stream.inbox.gap()
	switch {
	case missing.Gap: // behind the code, if there is one
	case s.exit != nil && *s.exit == 0:
		return nil
	case s.exit != nil:
		return &ExitError{Code: *s.exit}
	}
	if s.closed != nil {
		missing.Output = s.closed.Output
	}
	return missing
}
