package channel

import (
	"math"
	"time"
)

// pumpChunk is how many frames the pump takes at a time, so that
// acknowledgements which come meanwhile can spare it the rest.
const pumpChunk = 64

// kick starts the pump because something waits to be sent. mu is held.
func (s *stream) kick() {
	if s.window.hasUnsent() && s.credit > 0 && s.transport != nil && !s.paused && s.err == nil {
		s.schedule(0)
	}
}

// arm sets the timer for the next retransmission, if something is
// unacknowledged. mu is held.
func (s *stream) arm(now time.Time) {
	oldest, ok := s.window.oldest(s.burst)
	if !ok || s.transport == nil || s.paused || s.err != nil {
		return
	}
	at := oldest.Add(s.trip.rto())
	if next := s.pumpedAt.Add(resendTick); at.Before(next) {
		at = next // as the peers: at most one round a tick
	}
	s.schedule(at.Sub(now))
}

func (s *stream) schedule(d time.Duration) {
	s.armed = true
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.pump)
		return
	}
	s.timer.Reset(d)
}

func (s *stream) disarm() {
	if s.armed && s.timer.Stop() {
		s.armed = false
	}
}

// pump writes what waits to be sent and what must be sent again. It runs on
// the timer's goroutine, one at a time, and ends by arming the timer.
func (s *stream) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pumping {
		return // the one that runs arms the timer when it is through
	}
	s.pumping, s.armed = true, false
	var buffer [pumpChunk][]byte
	for s.transport != nil && !s.paused && s.err == nil {
		frames := s.due(buffer[:0])
		if len(frames) == 0 {
			break
		}
		transport := s.transport
		s.mu.Unlock()
		s.write(transport, frames...)
		s.mu.Lock()
	}
	s.pumping = false
	s.arm(time.Now())
	if s.err != nil {
		s.changed.Broadcast() // end waits for this
	}
}

// due takes a chunk of what must be written now. mu is held.
func (s *stream) due(frames [][]byte) [][]byte {
	now := time.Now()
	if s.window.hasUnsent() && s.credit > 0 {
		frames, resent := s.window.takeUnsent(now, min(pumpChunk, s.credit), frames)
		s.counters.retransmissions.Add(int64(resent))
		s.credit -= len(frames)
		if !s.window.hasUnsent() {
			s.credit = math.MaxInt // it has caught up
		}
		return frames
	}
	if now.Sub(s.pumpedAt) < resendTick {
		return frames
	}
	frames = s.window.overdue(now, s.trip.rto(), min(s.burst, pumpChunk), frames)
	if len(frames) > 0 {
		s.pumpedAt = now
		s.trip.backoff()
		s.counters.retransmissions.Add(int64(len(frames)))
		if s.window.hasUnsent() {
			s.grant = min(patience*s.grant, s.limit)
			s.credit = s.grant
		}
	}
	return frames
}
