package channel

import (
	"errors"
	"testing"
	"time"
)

// TestSimulatedPortReadLate: the reader of a port session begins only when the
// session has ended, and more than its queue takes came before. All that came is there, or a
// gap is named.
func TestSimulatedPortReadLate(t *testing.T) {
	simulated(t, simShare{0.02, 0.03}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		for !s.kind.port {
			seed += 1 << 32
			s = newSimulation(t, seed)
		}
		s.faults.reorder, s.faults.lateness, s.faults.latency = 0.10, 20*time.Millisecond, 5*time.Millisecond
		s.prepare = func() { // the writer waits, so that nothing may wait for the reader
			g := s.gateway
			g.meddle = func(toClient bool, frame []byte) ([]byte, bool) {
				return frame, toClient || frame[4] != 'i' || frame[115] != 1
			}
			g.after(time.Minute, g.agent.finish)
		}
		s.readLate, s.conf.closeWait = true, 2*time.Second
		s.up.draw("input", s.rng, 2*clientWindow*inputPayload)
		s.down.draw("output", s.rng, inletMost+(4<<20))
		var missing *ExitMissingError
		errors.As(s.run(), &missing)
		if s.down.wrong || !s.down.complete() && !missing.Gap {
			t.Errorf("ended with %v; %v", missing, &s.down)
		}
		return s.counts()
	})
}
