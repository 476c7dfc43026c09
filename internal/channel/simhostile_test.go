package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a hostile or broken other end does. The choices are random, and what must
// come of them follows from what the package promises of the kind of choice.

// hostility is one thing that the other end does once, at a moment of its choice.
type hostility struct {
	name string
	// ends says that the session must end with a *ProtocolError; otherwise all
	// must arrive.
	ends bool
	// frame returns what the client gets in place of a message.
	frame func(s *simulation, frame []byte) []byte
	// inject sends a message of the stream that is not due.
	inject func(s *simulation)
}

var hostilities = []hostility{
	{name: "header length", ends: true, frame: func(s *simulation, b []byte) []byte {
		return put32(b, 0, s.pick(0, 117, 100_000, math.MaxUint32, s.rng.Uint32()|1<<16))
	}},
	{name: "payload length", ends: true, frame: func(s *simulation, b []byte) []byte {
		n := uint32(len(b) - refHeader)
		return put32(b, 116, s.pick(n+1, n+s.rng.Uint32N(1<<20)+1, 9999+n, math.MaxUint32, math.MaxInt32))
	}},
	{name: "another payload, of length 0", ends: true, frame: func(s *simulation, b []byte) []byte {
		return append(put32(b, 116, 0), "EVIL"...)
	}},
	{name: "half a message", ends: true, frame: func(s *simulation, b []byte) []byte { return b[:s.rng.IntN(len(b))] }},
	{name: "more than a message", ends: true, frame: func(s *simulation, b []byte) []byte {
		return append(b, s.gateway.agent.random(1+s.rng.IntN(2000))...)
	}},
	{name: "negative number", ends: true, frame: func(s *simulation, b []byte) []byte {
		binary.BigEndian.PutUint64(b[48:], s.rng.Uint64()|1<<63)
		return b
	}},
	{name: "number that nobody reaches", ends: true, frame: func(s *simulation, b []byte) []byte {
		if b[4] == 'a' {
			return b[:10] // acknowledgements have their number elsewhere
		}
		binary.BigEndian.PutUint64(b[48:], s.rng.Uint64()>>1|1<<40)
		return b
	}},
	{name: "no date", ends: true, frame: func(s *simulation, b []byte) []byte {
		binary.BigEndian.PutUint64(b[40:], 0)
		return b
	}},
	{name: "no type", ends: true, frame: func(s *simulation, b []byte) []byte {
		copy(b[4:36], strings.Repeat(string(" \x00\x1b"[s.rng.IntN(3)]), 32))
		return b
	}},
	{name: "unknown type", frame: func(s *simulation, b []byte) []byte {
		copy(b[4:36], "unheard_of                      ")
		return b
	}},
	{name: "bit of the payload or its digest", frame: func(s *simulation, b []byte) []byte {
		at := 80 + s.rng.IntN(32)
		if len(b) > refHeader && s.rng.IntN(2) == 0 {
			at = refHeader + s.rng.IntN(len(b)-refHeader)
		}
		b[at] ^= 1 << s.rng.IntN(8)
		return b
	}},
	{name: "fields that nobody reads", frame: func(s *simulation, b []byte) []byte {
		binary.BigEndian.PutUint32(b[36:], s.rng.Uint32())
		binary.BigEndian.PutUint64(b[40:], s.rng.Uint64()|1)
		binary.BigEndian.PutUint64(b[56:], s.rng.Uint64())
		return b
	}},
	{name: "acknowledgement of what was not sent", frame: func(s *simulation, b []byte) []byte {
		return s.gateway.agent.encode(&refMessage{kind: "acknowledge", flags: 3, payload: fmt.Appendf(nil,
			`{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"%s","AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`,
			uuidText([16]byte{1}), s.rng.Int64()|1<<40)})
	}},
	{name: "acknowledgement that is none", ends: true, frame: func(s *simulation, b []byte) []byte {
		return s.gateway.agent.encode(&refMessage{kind: "acknowledge", flags: 3, payload: s.gateway.agent.random(100)})
	}},
	{name: "handshake request out of turn", ends: true, inject: func(s *simulation) {
		s.gateway.agent.send(5, []byte(`{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream"}}]}`))
	}},
	{name: "handshake completion out of turn", ends: true, inject: func(s *simulation) {
		s.gateway.agent.send(7, []byte(`{"HandshakeTimeToComplete":1,"CustomerMessage":""}`))
	}},
	{name: "challenge out of turn", ends: true, inject: func(s *simulation) {
		s.gateway.agent.send(8, []byte(`{"Challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
	}},
	{name: "unknown payload type", ends: true, inject: func(s *simulation) {
		s.gateway.agent.send(s.pick(0, 2, 3, 4, 6, 9, 13, 99, math.MaxUint32), []byte("x"))
	}},
}

func put32(b []byte, at int, value uint32) []byte {
	binary.BigEndian.PutUint32(b[at:], value)
	return b
}

func (s *simulation) pick(values ...uint32) uint32 { return values[s.rng.IntN(len(values))] }

// TestSimulatedHostility: one message that no correct peer sends ends the session
// with an error that says so, or does nothing; nothing wrong is ever delivered.
func TestSimulatedHostility(t *testing.T) {
	simulated(t, simShare{4, 0.10}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		s.mild()
		s.sizes(4<<10, 128<<10)
		s.limit = time.Hour
		h := hostilities[int(seed)%len(hostilities)]
		done := s.beHostile(h)
		err := s.run()
		switch {
		case !*done:
			t.Errorf("%s: nothing was done", h.name)
		case !h.ends:
			s.want(err)
		case !errors.As(err, new(*ProtocolError)):
			t.Errorf("%s: %s ended with %v", s.kind.name, h.name, err)
		}
		if s.up.wrong || s.down.wrong || s.errs.wrong || err != nil && strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: %s: %v; ended with %v", s.kind.name, h.name, s, err)
		}
		return s.counts()
	})
}

// beHostile does h once, while there is output.
func (s *simulation) beHostile(h hostility) *bool {
	done := new(bool)
	s.prepare = func() {
		g := s.gateway
		outputs, moment := 0, s.rng.IntN((len(s.down.want)+refChunk-1)/refChunk)
		g.meddle = func(toClient bool, frame []byte) ([]byte, bool) {
			if toClient && isOutput(frame) {
				outputs++
			}
			if *done || !toClient || outputs < moment || g.client == nil || h.inject != nil && frame[4] != 'o' {
				return frame, true
			}
			*done = true
			if h.inject != nil {
				g.push(refEvent{at: time.Since(g.start), do: func() { h.inject(s) }})
				return frame, true
			}
			g.say(h.frame(s, slices.Clone(frame)))
			return nil, false
		}
	}
	return done
}

// TestSimulatedImpatience: an agent that gives up on what is unacknowledged, as
// all do two seconds after the end. The session accounts for all that the client
// has acknowledged: it was delivered, or a gap before it is named.
func TestSimulatedImpatience(t *testing.T) {
	simulated(t, simShare{2, 0.03}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		s.mild()
		s.faults.loss = 0.3 * s.rng.Float64()
		s.conf.closeWait = 2 * time.Second
		s.sizes(1<<10, 64<<10)
		s.limit = time.Hour
		acked, ends := map[int64]bool{}, map[int64]int{} // ends[n]: bytes up to message n
		sent := 0
		s.prepare = func() {
			s.gateway.meddle = func(toClient bool, frame []byte) ([]byte, bool) {
				id := identity(toClient, frame)
				if !toClient && frame[4] == 'a' {
					acked[id.sequence] = true
				}
				if _, again := ends[id.sequence]; toClient && frame[4] == 'o' && !again {
					if isOutput(frame) {
						sent += len(frame) - refHeader
						if s.conf.key != "" {
							sent -= 28
						}
					}
					ends[id.sequence] = sent
				}
				return frame, true
			}
		}
		err := s.run()
		missing := int64(0)
		for acked[missing] {
			missing++
		}
		if got := s.down.got + s.errs.got; s.down.wrong || s.errs.wrong || missing > 0 && got != ends[missing-1] {
			t.Errorf("%s: %d bytes came, %d were acknowledged without a gap; %v", s.kind.name, got, ends[missing-1], s)
		}
		next := int64(math.MaxInt64)
		for n := range acked {
			if n > missing {
				next = min(next, n)
			}
		}
		var noExit *ExitMissingError
		var exit *ExitError
		errors.As(err, &noExit)
		all := missing == int64(len(ends))
		switch {
		case next < math.MaxInt64:
			if noExit == nil || !noExit.Gap || noExit.MissingFrom != missing || noExit.MissingTo != next-1 {
				t.Errorf("%s: %d to %d are missing, ended with %v", s.kind.name, missing, next-1, err)
			}
		case s.kind.exit && all:
			if s.code == 0 && err != nil || s.code != 0 && (!errors.As(err, &exit) || exit.Code != s.code) {
				t.Errorf("%s: exit code %d, ended with %v", s.kind.name, s.code, err)
			}
		default:
			if noExit == nil || noExit.Gap {
				t.Errorf("%s: ended with %v where %d of %d came", s.kind.name, err, missing, len(ends))
			}
		}
		return s.counts()
	})
}

// TestSimulatedWriterFails: a session whose output cannot be written ends with
// the writer's error, and nothing is written behind it.
func TestSimulatedWriterFails(t *testing.T) {
	simulated(t, simShare{2, 0.03}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		for s.kind.port { // no writer
			seed += 1 << 32
			s = newSimulation(t, seed)
		}
		s.mild()
		s.sizes(4<<10, 128<<10)
		s.limit = time.Hour
		w := &failingWriter{out: &s.down, room: s.rng.IntN(len(s.down.want))}
		s.config = func(c *Config) { c.Stdout = w }
		if err := s.run(); !errors.Is(err, errFull) {
			t.Errorf("%s: ended with %v", s.kind.name, err)
		}
		if s.down.wrong || w.late > 0 || s.errs.wrong {
			t.Errorf("%s: %v, %d writes behind the one that failed", s.kind.name, s, w.late)
		}
		return s.counts()
	})
}

var errFull = errors.New("no space left")

// failingWriter fails when it has taken room bytes.
type failingWriter struct {
	out    *simStream
	room   int
	failed bool
	late   int
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.failed {
		w.late++
	}
	n := min(len(p), w.room)
	w.room -= n
	w.out.Write(p[:n])
	if n < len(p) {
		w.failed = true
		return n, errFull
	}
	return n, nil
}
