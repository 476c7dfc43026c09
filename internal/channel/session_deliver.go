package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// phase is how far the agent has got.
type phase int

const (
	phaseFresh  phase = iota // the agent has sent no stream message
	phaseShaken              // the handshake was requested and answered
	phaseOpen                // data flows
)

var (
	errOutOfTurn = errors.New("not expected now")
	errTwice     = errors.New("came twice")
)

// deliver takes the agent's stream, message by message, on the receiving
// goroutine. It has a case for every payload type that an agent may send to a
// session of the shell kinds.
func (s *Session) deliver(payloadType PayloadType, payload []byte) error {
	switch payloadType {
	case PayloadHandshakeRequest:
		return s.shake(payload)
	case PayloadHandshakeComplete:
		return s.shaken(payload)
	case PayloadEncChallengeRequest:
		// No key was agreed on: no action that this client accepts does so.
		return &ProtocolError{Doing: "read encryption challenge", Err: errOutOfTurn}
	}
	if err := s.begun(); err != nil {
		return err
	}
	switch payloadType {
	case PayloadOutput:
		return put(s.cfg.Stdout, payload)
	case PayloadStdErr:
		return put(s.cfg.Stderr, payload)
	case PayloadExitCode:
		return s.exited(payload)
	case PayloadFlag:
		_, err := ParseFlag(payload) // of use to port sessions only
		return err
	}
	return &ProtocolError{Doing: "read message", Err: fmt.Errorf("payload type is %d", payloadType)}
}

func put(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// begun notes that data came. Without a handshake that shows that there will
// be none.
func (s *Session) begun() error {
	s.mu.Lock()
	was := s.phase
	if was == phaseFresh {
		s.phase = phaseOpen
	}
	s.mu.Unlock()
	switch was {
	case phaseFresh:
		s.letInput()
	case phaseShaken:
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
	response, err := s.respond(request)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(response)
	if err != nil {
		return fmt.Errorf("answer handshake: %w", err)
	}
	return s.stream.sendNow(PayloadHandshakeResponse, answer)
}

func (s *Session) respond(request HandshakeRequest) (HandshakeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseFresh {
		return HandshakeResponse{}, &ProtocolError{Doing: "read handshake request", Err: errOutOfTurn}
	}
	s.phase, s.agent = phaseShaken, request
	s.watch.clear(waitQuiet)
	s.watch.set(waitHandshake, s.cfg.HandshakeTimeout)
	if !s.stream.hold() {
		return HandshakeResponse{}, &ProtocolError{Doing: "read handshake request", Err: errors.New("much input was taken before")}
	}
	response := HandshakeResponse{ClientVersion: s.cfg.ClientVersion}
	for _, action := range request.RequestedClientActions {
		response.ProcessedClientActions = append(response.ProcessedClientActions, s.act(action))
	}
	return response, nil
}

// act does what the agent asks for. mu is held.
func (s *Session) act(action RequestedAction) ProcessedAction {
	processed := ProcessedAction{ActionType: action.ActionType, ActionStatus: ActionSuccess}
	refuse := func(status ActionStatus, reason string) ProcessedAction {
		s.refused = &UnsupportedError{Action: string(action.ActionType), Reason: reason}
		processed.ActionStatus, processed.Error = status, reason
		return processed
	}
	switch action.ActionType {
	case ActionSessionType:
		var kind SessionTypeParameters
		if err := json.Unmarshal(action.ActionParameters, &kind); err != nil {
			return refuse(ActionFailed, "parameters not understood")
		}
		switch kind.SessionType {
		case StandardStream, InteractiveCommands, NonInteractiveCommands, Port:
			s.kind = kind
			return processed
		}
		return refuse(ActionFailed, fmt.Sprintf("unknown session type %q", kind.SessionType))
	case ActionKMSEncryption:
		return refuse(ActionUnsupported, "encryption is not supported by this client")
	}
	return refuse(ActionUnsupported, "unknown action")
}

// shaken takes the handshake's completion.
func (s *Session) shaken(payload []byte) error {
	complete, err := ParseHandshakeComplete(payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	was := s.phase
	s.phase, s.message = phaseOpen, complete.CustomerMessage
	s.mu.Unlock()
	if was != phaseShaken {
		return &ProtocolError{Doing: "read handshake completion", Err: errOutOfTurn}
	}
	s.watch.clear(waitHandshake)
	s.letInput()
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
		s.watch.set(waitQuiet, s.cfg.Quiet)
	}
}

// quiet opens it without having heard from the agent.
func (s *Session) quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseFresh {
		s.stream.release(false)
		s.markReady()
	}
}

func (s *Session) markReady() { s.once.Do(func() { close(s.ready) }) }

// exited takes the exit code. More output may follow: when a command could not
// be executed the reason comes after the code.
func (s *Session) exited(payload []byte) error {
	code, err := ParseExitCode(payload)
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
