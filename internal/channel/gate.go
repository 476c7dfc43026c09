package channel

import "time"

// gate says what becomes of data that a client wants to send.
//
// An agent acknowledges and throws away all data that comes before its
// handshake is complete (amazon-ssm-agent, session/datachannel/datachannel.go,
// processStreamDataMessage), and a session without a handshake looks, until
// the agent speaks, like one whose handshake has not begun. So data is held
// until the agent has spoken. A shell that prints nothing before it is typed
// to would wait for ever; for its sake the data goes out after a time of
// quiet, and is remembered: should a handshake begin after all, then whatever
// was numbered before the handshake's response is certain to be thrown away,
// because the agent takes messages in order, and is sent again behind it.
type gate int

const (
	gateOpen   gate = iota // data is sent
	gateHeld               // data waits in stream.early, without numbers
	gateUnsure             // data is sent, and a copy is kept in stream.early
)

// early is data that waits to get a number, or may have to get another one.
type early struct {
	payloadType PayloadType
	payload     []byte
}

// hold keeps data from now on, and takes back what was sent while the gate was
// unsure. It reports whether that was all that was ever sent.
func (s *stream) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	complete := s.gate != gateOpen
	s.gate = gateHeld
	return complete
}

// release sends what is held and lets data through. When it is not sure, hold
// can take it back.
func (s *stream) release(sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == gateOpen {
		return // what was sent before cannot be taken back
	}
	if s.gate == gateHeld {
		now := time.Now()
		for _, e := range s.early {
			s.push(now, e.payloadType, e.payload)
		}
	}
	s.gate = gateUnsure
	if sure {
		s.gate, s.early = gateOpen, nil
	}
	s.kick()
	s.changed.Broadcast()
}

// remember keeps a copy of data while the gate is not open. When it is unsure
// and as much as a window was acknowledged, the gate opens: memory is bounded, and
// an agent that takes so much has no handshake in mind. A window more may be under
// way, or have waited. mu is held.
func (s *stream) remember(payloadType PayloadType, payload []byte) {
	if s.gate == gateUnsure && len(s.early) >= 2*s.limit {
		s.gate, s.early = gateOpen, nil
		return
	}
	s.early = append(s.early, early{payloadType, append([]byte(nil), payload...)})
}
