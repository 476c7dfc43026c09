package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// phase is how far the agent has got.
type phase int

const (
	phaseFresh  phase = iota // the agent has sent no stream message
	phaseKeyed               // it was answered with a data key, and the challenge is due
	phaseShaken              // all of the handshake was answered
	phaseOpen                // data flows
)

var (
	errOutOfTurn = errors.New("not expected now")
	errTwice     = errors.New("came twice")
)

// deliver takes the agent's stream, message by message, on the receiving
// goroutine. It has a case for every payload type that an agent may send.
func (s *Session) deliver(payloadType PayloadType, payload []byte) error {
	switch payloadType {
	case PayloadHandshakeRequest:
		return s.shake(payload)
	case PayloadHandshakeComplete:
		return s.shaken(payload)
	case PayloadEncChallengeRequest:
		return s.challenged(payload)
	}
	if err := s.begun(); err != nil {
		return err
	}
	payload, err := s.decrypt(payloadType, payload)
	if err != nil {
		return err
	}
	if s.taken {
		return s.port.deliver(payloadType, payload)
	}
	switch payloadType {
	case PayloadOutput, PayloadStdErr:
		return s.gather(payloadType, payload)
	case PayloadExitCode:
		return s.exited(payload)
	case PayloadFlag:
		_, err := ParseFlag(payload) // of use to port sessions only
		return err
	}
	return &ProtocolError{Doing: "read message", Err: fmt.Errorf("payload type is %d", payloadType)}
}

// begun notes that data came. Without a handshake that shows that there will
// be none.
func (s *Session) begun() error {
	s.mu.Lock()
	was := s.phase
	if was == phaseFresh && !s.cfg.RequireEncryption {
		s.phase = phaseOpen
	}
	s.mu.Unlock()
	switch {
	case was == phaseFresh && s.cfg.RequireEncryption:
		return &EncryptionError{Reason: "required, and the agent began without it", Unasked: true}
	case was == phaseFresh:
		s.watch.clear(waitAgent)
		s.letInput()
		s.settle()
	case was != phaseOpen:
		return &ProtocolError{Doing: "read message", Err: errors.New("data before the end of the handshake")}
	}
	return nil
}

// shake answers the handshake's request.
func (s *Session) shake(payload []byte) error {
	request, err := ParseHandshakeRequest(payload)
	if err != nil {
		return err
	}
	if err := s.requested(request); err != nil {
		return err
	}
	response := HandshakeResponse{ClientVersion: s.cfg.ClientVersion}
	for _, action := range request.RequestedClientActions {
		response.ProcessedClientActions = append(response.ProcessedClientActions, s.act(action))
	}
	answer, err := json.Marshal(response)
	if err != nil {
		return fmt.Errorf("answer handshake: %w", err)
	}
	return s.stream.sendNow(PayloadHandshakeResponse, answer)
}

// requested notes the handshake's request and checks it as a whole.
func (s *Session) requested(request HandshakeRequest) error {
	out := &ProtocolError{Doing: "read handshake request"}
	seen := map[ActionType]bool{}
	for _, action := range request.RequestedClientActions {
		if seen[action.ActionType] {
			out.Err = fmt.Errorf("action %.40q %w", action.ActionType, errTwice)
			return out
		}
		seen[action.ActionType] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseFresh {
		out.Err = errOutOfTurn
		return out
	}
	s.phase, s.agent = phaseShaken, request
	if s.cfg.RequireEncryption && !seen[ActionKMSEncryption] {
		s.refused = &EncryptionError{Reason: "required, and the agent's handshake does not ask for it"}
	}
	s.watch.clear(waitQuiet)
	s.watch.clear(waitAgent)
	s.watch.set(waitHandshake, s.cfg.HandshakeTimeout)
	if !s.stream.hold() {
		out.Err = errors.New("much input was taken before")
		return out
	}
	return nil
}

// act does what the agent asks for.
func (s *Session) act(action RequestedAction) ProcessedAction {
	switch action.ActionType {
	case ActionSessionType:
		return s.takeType(action)
	case ActionKMSEncryption:
		return s.agreeOnKey(action)
	}
	return s.refuse(action, ActionUnsupported, &UnsupportedError{string(action.ActionType), "unknown action"}, "unknown action")
}

// refuse answers an action with a reason for the agent, and remembers why for
// this end; the first reason stays.
func (s *Session) refuse(action RequestedAction, status ActionStatus, why error, reason string) ProcessedAction {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = why
	}
	return ProcessedAction{ActionType: action.ActionType, ActionStatus: status, Error: reason}
}

func (s *Session) takeType(action RequestedAction) ProcessedAction {
	fail := func(reason string) ProcessedAction {
		return s.refuse(action, ActionFailed, &UnsupportedError{string(action.ActionType), reason}, reason)
	}
	var kind SessionTypeParameters
	if err := unmarshal(action.ActionParameters, &kind); err != nil {
		return fail("parameters not understood")
	}
	switch kind.SessionType {
	case StandardStream, InteractiveCommands, NonInteractiveCommands:
	case Port:
		if err := s.takePort(kind.Properties); err != nil {
			return fail("port properties not understood")
		}
	default:
		return fail(fmt.Sprintf("unknown session type %.40q", kind.SessionType))
	}
	s.mu.Lock()
	s.kind = kind
	refused := s.refused
	s.mu.Unlock()
	if required, ok := errors.AsType[*EncryptionError](refused); ok {
		return fail(required.Reason)
	}
	return ProcessedAction{ActionType: action.ActionType, ActionStatus: ActionSuccess}
}

// shaken takes the handshake's completion.
func (s *Session) shaken(payload []byte) error {
	complete, err := ParseHandshakeComplete(payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	was, refused := s.phase, s.refused
	if was == phaseShaken && refused == nil {
		s.phase, s.message = phaseOpen, complete.CustomerMessage
	}
	s.mu.Unlock()
	switch {
	case was != phaseShaken:
		return &ProtocolError{Doing: "read handshake completion", Err: errOutOfTurn}
	case refused != nil:
		return refused // the agent goes on all the same
	}
	s.watch.clear(waitHandshake)
	s.letInput()
	s.settle() // after it: a flag must not overtake what was held
	return nil
}

// letInput opens the gate for input.
func (s *Session) letInput() {
	s.watch.clear(waitQuiet)
	s.stream.release(true)
	s.markReady()
}

// announced notes start_publication: the agent is there, so that its silence
// begins to mean something.
func (s *Session) announced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseFresh {
		s.watch.set(waitQuiet, s.silence())
	}
}

// silence is how long an agent that is there may say nothing. Where encryption is
// required, input waits for the handshake, and the handshake not for ever.
func (s *Session) silence() time.Duration {
	if s.cfg.RequireEncryption {
		return s.cfg.HandshakeTimeout
	}
	return s.cfg.Quiet
}

// quiet opens the gate without having heard from the agent.
func (s *Session) quiet() {
	s.mu.Lock()
	fresh := s.phase == phaseFresh
	if fresh && !s.cfg.RequireEncryption {
		if !s.cfg.HandshakeDue {
			s.watch.set(waitAgent, s.cfg.StartTimeout)
		}
		s.stream.release(false)
		s.markReady()
	}
	s.mu.Unlock()
	if fresh && s.cfg.RequireEncryption {
		s.fail(&EncryptionError{Reason: "required, and the agent began no handshake in time", Unasked: true})
	}
}

func (s *Session) markReady() { s.once.Do(func() { close(s.ready) }) }

// exited takes the exit code. More output may follow: when a command could not
// be executed the reason comes after the code.
func (s *Session) exited(payload []byte) error {
	code, err := ParseExitCode(payload)
	if err == nil {
		err = s.stream.settleEarlier() // whoever sees the code has the output before it
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit != nil && *s.exit != code {
		return &ProtocolError{Doing: "read exit code", Err: errTwice}
	}
	s.exit = &code
	s.watch.set(waitDrain, s.cfg.DrainTimeout)
	return nil
}
