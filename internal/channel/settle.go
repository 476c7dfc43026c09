package channel

import "time"

// A message is settled when its owner has accepted its bytes and the other end was
// told so. Messages that were read together are settled together: before the
// reader waits for more, and in this order, so that nothing is acknowledged which
// was not accepted.

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
	settle := func() error { return s.settle(t) }
	if patient, ok := t.(patientReader); ok && patient.BeforeWait(settle) {
		return func() error { return nil }
	}
	return settle
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
			s.owed = nil
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

// forgetOwed forgets what was to be acknowledged: its connection is over.
func (s *stream) forgetOwed() {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.forget()
}

// forget is forgetOwed; a quiet stream keeps little. receiving is held.
func (s *stream) forget() {
	if s.owed = s.owed[:0]; cap(s.owed) > 8 {
		s.owed = nil
	}
}
