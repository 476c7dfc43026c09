package channel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// reconnectPause is the longest first pause between attempts to
	// reconnect; pauses double up to the limit, so that a network that heals
	// is used within seconds.
	reconnectPause = 100 * time.Millisecond
	reconnectLimit = 2 * time.Second
)

// outage is the time from the loss of a connection to the first message over
// another one. A connection that brings nothing does not end it.
type outage struct {
	session  *Session
	attempts int // 0: no outage
	since    time.Time
}

// reconnect asks for a new token and opens the channel again with the same
// client id, until it works or ResumeTimeout is over. Numbers and buffers go
// on. (session-manager-plugin, sessionmanagerplugin/session/sessionhandler.go:
// ResumeSessionHandler)
func (o *outage) reconnect(cause error) (Transport, error) {
	s := o.session
	if o.attempts == 0 {
		o.since = time.Now()
	}
	for {
		o.attempts++
		if err := pause(s.ctx, o.attempts, s.cfg.jitter); err != nil {
			return nil, err
		}
		if time.Since(o.since) > s.cfg.ResumeTimeout {
			return nil, fmt.Errorf("reconnect: gave up after %d attempts: %w", o.attempts-1, cause)
		}
		if s.cfg.OnReconnect != nil {
			s.cfg.OnReconnect(o.attempts, cause)
		}
		t, err := o.attempt()
		if err == nil {
			return t, nil
		}
		if s.ctx.Err() != nil || errors.Is(err, ErrSessionOver) {
			return nil, err
		}
		cause = err
	}
}

func (o *outage) attempt() (Transport, error) {
	s := o.session
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.OpenTimeout)
	defer cancel()
	token, err := s.cfg.Resume(ctx)
	if err != nil {
		return nil, fmt.Errorf("resume session: %w", err)
	}
	if token == "" {
		return nil, fmt.Errorf("resume session: %w", ErrSessionOver)
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
	return t, nil
}

// pause waits before an attempt: a random time, so that a thousand sessions
// that lost one network do not return as one.
func pause(ctx context.Context, attempt int, jitter func(int64) int64) error {
	limit := min(reconnectPause<<min(attempt-1, 10), reconnectLimit)
	timer := time.NewTimer(time.Duration(jitter(int64(limit)) + 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
