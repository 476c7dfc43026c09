package channel

import (
	"sync"
	"time"
)

// wait is something that must not take for ever.
type wait int

const (
	waitStart     wait = iota // for the first message of any kind, on each connection
	waitQuiet                 // for the agent's first stream message; see gate
	waitAgent                 // for the agent's first word where there must be one
	waitHandshake             // from its request to its completion
	waitChallenge             // for the encryption challenge, after the key
	waitIdle                  // for anything, all the time
	waitDrain                 // for channel_closed, after the exit code
	waitGap                   // for missing messages, after channel_closed
	waits
)

const (
	// quietUnannounced: until start_publication says that the agent is there,
	// quiet must last longer to mean something.
	quietUnannounced = 3
	// gapTimeout is how long missing messages may follow channel_closed.
	gapTimeout = time.Second
)

// watchdog keeps the deadlines of one session with one timer.
type watchdog struct {
	expired func(wait)

	mu      sync.Mutex // protects what follows
	at      [waits]time.Time
	idle    time.Duration
	timer   *time.Timer
	wakes   time.Time // when the timer fires; zero: it is not set
	stopped bool
	last    time.Time // of touch
}

func newWatchdog(expired func(wait)) *watchdog { return &watchdog{expired: expired} }

// set starts a wait of d, or starts it anew; d of 0 is no wait.
func (w *watchdog) set(which wait, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d == 0 || w.stopped {
		return
	}
	now := time.Now()
	w.at[which] = now.Add(d)
	if which == waitIdle {
		w.idle, w.last = d, now
	}
	w.arm(now)
}

// clear ends a wait. The timer stays: it finds nothing, once.
func (w *watchdog) clear(which wait) {
	w.mu.Lock()
	w.at[which] = time.Time{}
	w.mu.Unlock()
}

// touch restarts the wait for anything.
func (w *watchdog) touch() {
	w.mu.Lock()
	if w.idle > 0 {
		w.last = time.Now()
	}
	w.mu.Unlock()
}

// stop ends all waits.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// arm sets the timer for the earliest wait. mu is held.
func (w *watchdog) arm(now time.Time) {
	var next time.Time
	for _, at := range w.at {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() || !w.wakes.IsZero() && !next.Before(w.wakes) {
		return
	}
	w.wakes = next
	if w.timer == nil {
		w.timer = time.AfterFunc(next.Sub(now), w.wake)
		return
	}
	w.timer.Reset(next.Sub(now))
}

// wake tells what has expired.
func (w *watchdog) wake() {
	w.mu.Lock()
	now := time.Now()
	w.wakes = time.Time{}
	if w.idle > 0 {
		w.at[waitIdle] = w.last.Add(w.idle)
	}
	var over []wait
	for which, at := range w.at {
		if !at.IsZero() && !at.After(now) && !w.stopped {
			over = append(over, wait(which))
			w.at[which] = time.Time{}
			if wait(which) == waitIdle {
				w.idle = 0
			}
		}
	}
	if !w.stopped {
		w.arm(now)
	}
	w.mu.Unlock()
	for _, which := range over {
		w.expired(which)
	}
}

// expired acts on a wait that took too long.
func (s *Session) expired(which wait) {
	switch which {
	case waitStart:
		s.unheard()
	case waitQuiet:
		s.quiet()
	case waitAgent:
		s.agentSilent()
	case waitHandshake:
		s.timedOut(LayerHandshake, s.cfg.HandshakeTimeout)
	case waitChallenge:
		s.timedOut(LayerChallenge, s.cfg.HandshakeTimeout/2)
	case waitIdle:
		s.timedOut(LayerIdle, s.cfg.IdleTimeout)
	case waitDrain:
		s.timedOut(LayerDrain, s.cfg.DrainTimeout)
	case waitGap:
		s.timedOut(LayerGap, gapTimeout)
	}
}

func (s *Session) timedOut(layer Layer, after time.Duration) {
	s.fail(&TimeoutError{Layer: layer, Peer: s.subject(), After: after})
}

// unheard acts on a connection that brought nothing. The first one was the
// session's start. A later one may be silent, if nobody has anything to say;
// where we wait for an acknowledgement, another connection is tried.
func (s *Session) unheard() {
	if s.stream.counters.attaches.Load() == 1 {
		s.timedOut(LayerStart, s.cfg.StartTimeout)
		return
	}
	s.mu.Lock()
	t := s.transport
	s.mu.Unlock()
	if t != nil && s.stream.waits() {
		s.stream.abandon(t, &TimeoutError{Layer: LayerStart, Peer: s.subject(), After: s.cfg.StartTimeout})
	}
}

// agentSilent acts on an agent that has not said a word, and should have.
func (s *Session) agentSilent() {
	s.mu.Lock()
	fresh := s.phase == phaseFresh
	s.mu.Unlock()
	waits, attached := s.stream.waits(), s.stream.attached()
	switch {
	case !fresh || !s.cfg.HandshakeDue && s.stream.heard.Load():
	case attached && (waits || s.cfg.HandshakeDue):
		s.timedOut(LayerAgent, s.cfg.StartTimeout)
	default: // nothing was asked of it yet, or it cannot be heard
		s.watch.set(waitAgent, s.cfg.StartTimeout)
	}
}
