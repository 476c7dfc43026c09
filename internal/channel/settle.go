package channel

import (
	"errors"
	"time"
)

// A message is settled when its owner has accepted its bytes and the other end was
// told so, in this order, so that nothing is acknowledged which was not accepted.
// Messages that were read together are settled together, and no wait comes
// between: they are settled before the reader waits for more, before the delivery
// of one of them waits for its taker, and before the reader leaves a connection,
// whatever for, unless the connection is gone.

// debt is a message that is to be acknowledged.
type debt struct {
	id       UUID
	sequence int64
}

// patientReader is a transport that says when its reader is about to wait.
type patientReader interface {
	// BeforeWait has f called by each ReadFrame that is about to wait; what f
	// fails with is what ReadFrame fails with. It reports whether it can do so.
	BeforeWait(f func() error) bool
}

// settling prepares to settle what t brings: when its reader is about to wait, if
// it tells, and otherwise after each message, by the function that is returned.
func (s *stream) settling(t Transport) (afterEach func() error) {
	s.receiving.Lock()
	s.from = t
	s.receiving.Unlock()
	settle := func() error { return s.settle(t) }
	if patient, ok := t.(patientReader); ok && patient.BeforeWait(settle) {
		return func() error { return nil }
	}
	return settle
}

// settleEarlier settles, within a delivery, what was delivered before: the owner
// calls it when that delivery may wait for somebody, or tells what is true only
// of accepted bytes. receiving is held.
func (s *stream) settleEarlier() error {
	if s.from == nil {
		return nil
	}
	return s.settleNow(s.from)
}

// settleLast settles what a connection brought, as its reader leaves it because
// of err. A connection that is gone takes no acknowledgements: what lacks them
// comes again over the next one.
func (s *stream) settleLast(t Transport, err error) error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if errors.As(err, new(*lostError)) {
		s.forget()
	}
	unsettled := s.settleNow(t)
	s.from = nil
	return unsettled
}

// settle has the owner accept what was delivered, and acknowledges it.
func (s *stream) settle(t Transport) error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	return s.settleNow(t)
}

// settleNow is settle. receiving is held.
func (s *stream) settleNow(t Transport) error {
	if s.accept != nil {
		if err := s.accept(); err != nil {
			s.forget()
			s.mu.Lock()
			s.broken = err
			s.mu.Unlock()
			return err
		}
	}
	if len(s.owed) > 0 {
		s.acknowledgeAll(t)
	}
	return nil
}

// acknowledge notes that a message of stream data is to be acknowledged.
func (s *stream) acknowledge(m *Message) {
	s.owed = append(s.owed, debt{m.ID, m.Sequence})
}

// acknowledgeAll acknowledges what is to be acknowledged.
func (s *stream) acknowledgeAll(t Transport) {
	buffer := writeBuffers.Get().(*[]byte)
	defer writeBuffers.Put(buffer)
	var several [settleMost + 1][]byte
	frames, b := several[:0], (*buffer)[:0]
	answer := Message{
		Type:          TypeAcknowledge,
		SchemaVersion: 1,
		CreatedDate:   uint64(time.Now().UnixMilli()),
		Flags:         FlagSYN | FlagFIN,
	}
	for _, d := range s.owed {
		ack := Acknowledge{Type: s.role.receives, ID: d.id, Sequence: d.sequence, Sequential: true}
		s.ackPayload = ack.AppendJSON(s.ackPayload[:0])
		answer.ID, answer.Payload = newUUID(), s.ackPayload
		start := len(b)
		b = AppendMessage(b, &answer)
		frames = append(frames, b[start:])
	}
	*buffer = b
	s.forget()
	s.write(t, frames...)
}

// forget forgets what was to be acknowledged; a quiet stream keeps little.
// receiving is held.
func (s *stream) forget() {
	if s.owed = s.owed[:0]; cap(s.owed) > 8 {
		s.owed = nil
	}
}
