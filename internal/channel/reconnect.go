package channel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// reconnectPause is the longest first pause between attempts to
	// reconnect; pauses double up to the limit, so that a network that heals
	// is used within seconds.
	reconnectPause = 100 * time.Millisecond
	reconnectLimit = 2 * time.Second
	// busyLimit is the limit for a service that answers, and refuses.
	busyLimit = 15 * time.Second
	// refusalLimit is how many times one outage may be refused for good: with
	// the pauses above, seconds.
	refusalLimit = 6
)

// outage is the time from the loss of a connection to the first message over
// another one. A connection that brings nothing does not end it.
type outage struct {
	session  *Session
	attempts int // 0: no outage
	refusals int
	since    time.Time
}

// reconnect asks for a new token and opens the channel again with the same
// client id, until it works or ResumeTimeout is over. Numbers and buffers go
// on. (session-manager-plugin, sessionmanagerplugin/session/sessionhandler.go:
// ResumeSessionHandler)
func (o *outage) reconnect(cause error) (Transport, error) {
	s := o.session
	if o.attempts == 0 {
		o.since, o.refusals = time.Now(), 0
	}
	ctx, cancel := context.WithDeadline(s.ctx, o.since.Add(s.cfg.ResumeTimeout))
	defer cancel()
	for {
		o.attempts++
		s.suffers(cause)
		if err := pause(ctx, o.pauseLimit(cause), s.cfg.jitter); err != nil {
			return nil, o.over(cause, o.attempts-1)
		}
		if s.cfg.OnReconnect != nil {
			told := cause
			if lost, ok := cause.(*lostError); ok {
				told = lost.err // that it was lost is what the call says
			}
			s.cfg.OnReconnect(o.attempts, told)
		}
		t, err := o.attempt(ctx)
		switch {
		case err == nil:
			return t, nil
		case s.ctx.Err() != nil || errors.Is(err, ErrSessionOver) || errors.As(err, new(*ProtocolError)):
			return nil, err
		case ctx.Err() != nil:
			return nil, o.over(cause, o.attempts) // the last attempt was cut short
		case refused(err):
			if o.refusals++; o.refusals == refusalLimit {
				return nil, fmt.Errorf("%w; asked %d times", err, o.refusals)
			}
		}
		cause = err
	}
}

// refused reports whether the service does not allow the session to go on.
func refused(err error) bool {
	if upgrade, ok := errors.AsType[*DialError](err); ok {
		return upgrade.Status == http.StatusUnauthorized || upgrade.Status == http.StatusForbidden
	}
	return errors.Is(err, ErrRefused)
}

// suffers notes why there is no connection.
func (s *Session) suffers(cause error) {
	s.mu.Lock()
	s.outage = cause
	s.mu.Unlock()
}

// Outage returns why the session is without a connection at the moment, as far as
// is known: what the last attempt to resume it came to. It is nil while there is
// one, and after the end.
func (s *Session) Outage() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport != nil || isDone(s.done) {
		return nil
	}
	return s.outage
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// over is why an outage ended the session.
func (o *outage) over(cause error, attempts int) error {
	s := o.session
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	return &TimeoutError{
		Layer: LayerConnection, Peer: s.subject(), After: time.Since(o.since),
		Err: fmt.Errorf("%d attempts, the last failed: %w", attempts, cause),
	}
}

func (o *outage) attempt(ctx context.Context) (Transport, error) {
	s := o.session
	token, err := o.resume(ctx)
	if err != nil {
		return nil, fmt.Errorf("resume session: %w", err)
	}
	if token == "" {
		return nil, fmt.Errorf("resume session: the service gave no new token: %w", ErrSessionOver)
	}
	t, err := s.open(ctx, token)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.transport = t
	failed := s.failure
	s.mu.Unlock()
	if failed != nil {
		t.Close()
		return nil, failed
	}
	s.stream.attach(t)
	left := time.Until(o.since.Add(s.cfg.ResumeTimeout))
	s.watch.set(waitStart, min(s.cfg.StartTimeout, max(left, time.Second)))
	return t, nil
}

func (o *outage) resume(ctx context.Context) (string, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.session.cfg.CallTimeout)
	defer cancel()
	token, err := o.session.cfg.Resume(ctx)
	return token, late(ctx, err, LayerResume, o.session.subject(), began)
}

// pauseLimit is the longest pause before an attempt: they double.
func (o *outage) pauseLimit(cause error) time.Duration {
	limit := reconnectLimit
	if errors.Is(cause, ErrBusy) {
		limit = busyLimit
	}
	return min(reconnectPause<<min(o.attempts-1, 10), limit)
}

// pause waits before an attempt: a random time, so that a thousand sessions
// that lost one network do not return as one.
func pause(ctx context.Context, limit time.Duration, jitter func(int64) int64) error {
	timer := time.NewTimer(time.Duration(jitter(int64(limit)) + 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
