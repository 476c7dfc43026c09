package lab

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// sessionFaults is what happens to one session, over all of its connections.
type sessionFaults struct {
	mu         sync.Mutex // protects what follows
	slow       map[string]time.Duration
	disconnect tally
	blackhole  tally
	pause      tally
	pauseFor   time.Duration
	bad        []badMessage // in the order of their kinds
}

type badMessage struct {
	kind string
	tally
}

func newSessionFaults(f hclspec.Faults) *sessionFaults {
	s := &sessionFaults{
		slow:       maps.Clone(f.Slow),
		disconnect: tally{when: f.Disconnect},
		blackhole:  tally{when: f.Blackhole},
		pause:      tally{when: f.Pause.When},
		pauseFor:   f.Pause.For,
	}
	for _, kind := range slices.Sorted(maps.Keys(f.BadMessages)) {
		s.bad = append(s.bad, badMessage{kind, tally{when: f.BadMessages[kind]}})
	}
	return s
}

// phase returns how long a phase of the session takes longer, once: the next
// connection is not slow in it again, unless it takes for ever.
func (s *sessionFaults) phase(name string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.slow[name]
	if d >= 0 {
		delete(s.slow, name)
	}
	return d
}

// slowness is how long a frame of the agent's end is held back.
func (s *sessionFaults) slowness(frame channel.Frame) time.Duration {
	if frameType(frame) == channel.TypeChannelClosed {
		return s.phase(hclspec.PhaseClose)
	}
	switch framePayload(frame) {
	case channel.PayloadHandshakeRequest:
		return s.phase(hclspec.PhaseHandshake)
	case channel.PayloadOutput, channel.PayloadStdErr:
		return s.phase(hclspec.PhaseOutput)
	case channel.PayloadExitCode:
		return s.phase(hclspec.PhaseExit)
	}
	return 0
}

// pauses reports whether publication pauses behind a frame, and for how long.
func (s *sessionFaults) pauses(frame channel.Frame) (time.Duration, bool) {
	if frameType(frame) != channel.TypeOutput {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pauseFor, s.pause.count(len(frame.Data))
}

// spoils returns what is wrong with a message of the agent, or nothing.
func (s *sessionFaults) spoils(frame channel.Frame) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := ""
	for i := range s.bad {
		if s.bad[i].count(len(frame.Data)) && kind == "" {
			kind = s.bad[i].kind
		}
	}
	return kind
}

// breaks counts a frame and reports whether the connection ends with it, or
// falls silent.
func (s *sessionFaults) breaks(size int) (cut, hush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disconnect.count(size), s.blackhole.count(size)
}

// cutByClock starts the timer of a connection that ends, or falls silent, by the
// clock; nil when it does not.
func (s *sessionFaults) cutByClock(w *wire) *time.Timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	which, strike := &s.disconnect, w.drop
	if !which.timed() {
		which, strike = &s.blackhole, w.hush
	}
	if !which.timed() {
		return nil
	}
	return time.AfterFunc(which.when.Time, func() {
		s.mu.Lock()
		due := which.struck()
		s.mu.Unlock()
		if due {
			strike()
		}
	})
}

// faultyWire reports whether any fault concerns what passes on the data channel.
func faultyWire(f hclspec.Faults) bool {
	if f.Latency > 0 || f.Jitter > 0 || f.Drop > 0 || f.Duplicate > 0 || f.Reorder > 0 || f.LostStart || len(f.BadMessages) > 0 {
		return true
	}
	for _, t := range []hclspec.Trigger{f.Disconnect, f.Blackhole, f.Pause.When, f.Reboot, f.AgentDies, f.AgentHangs} {
		if !t.IsZero() {
			return true
		}
	}
	for _, phase := range []string{hclspec.PhaseOpen, hclspec.PhaseHandshake, hclspec.PhaseOutput, hclspec.PhaseExit, hclspec.PhaseClose} {
		if f.Slow[phase] != 0 {
			return true
		}
	}
	return false
}

// mute makes the session say nothing any more, on no connection.
func (s *session) mute() { s.muted.Store(true) }

func (s *session) silent() bool { return s.muted.Load() || s.hung.Load() }

// seed is that of all choices of one kind on one connection: it follows from the
// lab file, the node, how many sessions the node had before, and how many
// connections the session.
func (s *session) seed(opens, kind int) uint64 {
	return faultSeed(s.node.faults.Seed, s.node.id, s.number, opens, kind)
}

func (s *session) rng(opens, kind int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed(opens, kind), 0))
}

func faultSeed(seed int64, name string, numbers ...int) uint64 {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	for _, n := range append([]int{int(seed)}, numbers...) {
		for range 8 {
			hash.Write([]byte{byte(n)})
			n >>= 8
		}
	}
	return hash.Sum64()
}
