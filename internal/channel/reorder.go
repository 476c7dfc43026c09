package channel

import "bytes"

// A receiver keeps at most so many messages that came early, and so many bytes
// of them. The agent may have 100,000 unacknowledged messages under way; what
// finds no room here is not acknowledged, and comes again.
const (
	maxEarlyMessages = 10_000
	maxEarlyBytes    = 16 << 20
)

// maxAhead is how far ahead of the expected number a message may be. No peer
// gets there; a number beyond is nonsense, not an early message.
const maxAhead = 1 << 32

// arrival is what the inbox makes of a message by its number.
type arrival int

const (
	arrivalNext      arrival = iota // the expected one
	arrivalEarly                    // kept for later
	arrivalFull                     // early, and there is no room
	arrivalDuplicate                // came before
	arrivalAbsurd                   // no peer is that far ahead
	arrivalConflict                 // kept, and it was another then
)

// inbox puts stream messages in order. The zero value expects number 0.
type inbox struct {
	expected int64
	early    map[int64]incoming
	bytes    int
}

type incoming struct {
	payloadType PayloadType
	payload     []byte
}

// admit says what the message is and keeps a copy of an early one.
func (b *inbox) admit(m *Message) arrival {
	ahead := m.Sequence - b.expected // neither is negative: no overflow
	switch before, kept := b.early[m.Sequence]; {
	case kept && (before.payloadType != m.PayloadType || !bytes.Equal(before.payload, m.Payload)):
		return arrivalConflict
	case ahead == 0 && !kept:
		return arrivalNext
	case ahead < 0 || kept:
		return arrivalDuplicate
	case ahead > maxAhead:
		return arrivalAbsurd
	case len(b.early) >= maxEarlyMessages || b.bytes+len(m.Payload) > maxEarlyBytes:
		return arrivalFull
	}
	if b.early == nil {
		b.early = make(map[int64]incoming)
	}
	b.early[m.Sequence] = incoming{m.PayloadType, append([]byte(nil), m.Payload...)}
	b.bytes += len(m.Payload)
	return arrivalEarly
}

// advance counts the expected message as delivered.
func (b *inbox) advance() {
	if kept, ok := b.early[b.expected]; ok {
		delete(b.early, b.expected)
		b.bytes -= len(kept.payload)
	}
	b.expected++
	if len(b.early) == 0 {
		b.early = nil // an idle session keeps little
	}
}

// ready returns the expected message if it came early.
func (b *inbox) ready() (incoming, bool) {
	kept, ok := b.early[b.expected]
	return kept, ok
}

// gap returns the numbers that are missing before the first early message.
func (b *inbox) gap() (from, to int64, ok bool) {
	if len(b.early) == 0 {
		return 0, 0, false
	}
	to = b.expected + maxAhead + 1
	for sequence := range b.early {
		to = min(to, sequence-1)
	}
	return b.expected, to, to >= b.expected
}
