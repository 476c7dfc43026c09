package channel

import (
	"errors"
	"fmt"
	"time"
)

// maxCorruptRow is how many messages in a row may have a wrong digest before
// the session is given up. One such message is dropped without an
// acknowledgement, and comes again.
const maxCorruptRow = 8

// settleMost is how many messages are taken in before they are settled.
const settleMost = 64

// receive takes one binary frame that t brought, and tells its owner of what
// the stream cannot settle alone: the type of the message, and its payload. An
// error is a *ProtocolError or comes from deliver, and nothing good can follow.
func (s *stream) receive(t Transport, frame []byte) (kind string, payload []byte, err error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	m, err := ParseMessage(frame)
	switch {
	case errors.Is(err, ErrDigest):
		s.counters.corrupt.Add(1)
		if s.corruptRow++; s.corruptRow < maxCorruptRow {
			return "", nil, nil
		}
		return "", nil, err
	case err != nil:
		return "", nil, err
	}
	s.corruptRow = 0
	if len(s.owed) >= settleMost {
		if err := s.settleNow(t); err != nil {
			return "", nil, err
		}
	}
	switch m.Type {
	case TypeAcknowledge:
		ack, err := ParseAcknowledge(m.Payload)
		if err != nil {
			return "", nil, err
		}
		s.unpause() // the service may lose a start_publication; this proves as much
		s.acknowledged(ack.Sequence)
	case s.role.receives:
		s.unpause()
		return m.Type, nil, s.arrive(&m)
	case TypePausePublication:
		s.pause()
	case TypeStartPublication:
		s.unpause()
	case TypeChannelClosed:
	default:
		s.counters.ignored.Add(1)
	}
	return m.Type, m.Payload, nil
}

// arrive puts one message of stream data in order, delivers what can be
// delivered, and notes what is to be acknowledged.
func (s *stream) arrive(m *Message) error {
	switch s.inbox.admit(m) {
	case arrivalAbsurd:
		return &ProtocolError{Doing: "read message",
			Err: fmt.Errorf("sequence number is %d, expected %d", m.Sequence, s.inbox.expected)}
	case arrivalConflict:
		return &ProtocolError{Doing: "read message", Err: fmt.Errorf("two different messages have the number %d", m.Sequence)}
	case arrivalFull:
		s.counters.outOfOrder.Add(1)
		return nil
	case arrivalDuplicate:
		// The acknowledgement of the first one was lost, or was too fast for
		// the agent. Without another it would send this message for ever.
		s.counters.duplicates.Add(1)
		s.acknowledge(m)
	case arrivalEarly:
		s.counters.outOfOrder.Add(1)
		s.acknowledge(m)
		return nil
	case arrivalNext:
		if err := s.hand(m.PayloadType, m.Payload); err != nil {
			return ignoreNotReady(err)
		}
		s.acknowledge(m)
	}
	return s.deliverEarly()
}

// deliverEarly delivers what came early and is the next now. What is refused
// stays, and is tried again: it was acknowledged, so the other end will not send
// it again.
func (s *stream) deliverEarly() error {
	s.kept = true
	defer func() { s.kept = false }()
	for {
		next, ok := s.inbox.ready()
		if !ok {
			return nil
		}
		switch err := s.hand(next.payloadType, next.payload); {
		case errors.Is(err, ErrNotReady):
			s.deliverLater()
			return nil
		case err != nil:
			return err
		}
	}
}

// deliverLater sets the timer to deliver again, when the peers would send again.
func (s *stream) deliverLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
	case s.later == nil:
		s.later = time.AfterFunc(resendTick, s.deliverAgain)
	default:
		s.later.Reset(resendTick)
	}
}

// deliverAgain runs on the timer's goroutine. What goes wrong there is the
// reader's to tell.
func (s *stream) deliverAgain() {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.mu.Lock()
	over := s.err != nil
	s.mu.Unlock()
	if over {
		return
	}
	err := s.deliverEarly()
	if err == nil {
		return
	}
	s.mu.Lock()
	s.broken = err
	t := s.transport
	s.mu.Unlock()
	if t != nil {
		t.Close()
	}
}

// hand delivers the expected message.
func (s *stream) hand(payloadType PayloadType, payload []byte) error {
	if err := s.deliver(payloadType, payload); err != nil {
		return err
	}
	s.inbox.advance()
	s.counters.messagesReceived.Add(1)
	s.counters.bytesReceived.Add(int64(len(payload)))
	return nil
}

func ignoreNotReady(err error) error {
	if errors.Is(err, ErrNotReady) {
		return nil
	}
	return err
}
