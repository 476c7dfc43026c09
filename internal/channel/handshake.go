package channel

import (
	"encoding/json"
	"errors"
	"time"
)

var errNoSequence = errors.New("no sequence number")

// HandshakeRequest is the agent's first stream message in a session that has a
// handshake: what the client must do before data may flow.
type HandshakeRequest struct {
	AgentVersion           string
	RequestedClientActions []RequestedAction
}

// ActionType names what an agent may ask of a client in the handshake.
type ActionType string

const (
	ActionSessionType   ActionType = "SessionType"
	ActionKMSEncryption ActionType = "KMSEncryption"
)

// RequestedAction is one thing for the client to do; the parameters' form
// depends on the type.
type RequestedAction struct {
	ActionType       ActionType
	ActionParameters json.RawMessage
}

// SessionTypeParameters are the parameters of ActionSessionType.
type SessionTypeParameters struct {
	SessionType SessionType
	Properties  json.RawMessage // null for the shell kinds
}

// HandshakeResponse is the client's answer: one entry for each action.
type HandshakeResponse struct {
	ClientVersion          string
	ProcessedClientActions []ProcessedAction
	Errors                 []string // agents ignore it
}

// ActionStatus is how an action ended. Any but ActionSuccess makes the agent
// end the session.
type ActionStatus int

const (
	ActionSuccess     ActionStatus = 1
	ActionFailed      ActionStatus = 2
	ActionUnsupported ActionStatus = 3
)

// ProcessedAction is the client's answer to one action.
type ProcessedAction struct {
	ActionType   ActionType
	ActionStatus ActionStatus
	ActionResult json.RawMessage // null, but for KMS
	Error        string
}

// HandshakeComplete is the agent's last word of the handshake.
type HandshakeComplete struct {
	HandshakeTimeToComplete time.Duration // ns on the wire
	CustomerMessage         string        // to be shown to people
}

// ParseHandshakeRequest reads the payload of PayloadHandshakeRequest.
func ParseHandshakeRequest(payload []byte) (HandshakeRequest, error) {
	var wire struct {
		AgentVersion           string
		RequestedClientActions actions[RequestedAction]
	}
	err := unmarshal(payload, &wire)
	request := HandshakeRequest{AgentVersion: wire.AgentVersion}
	if err == nil {
		request.RequestedClientActions, err = wire.RequestedClientActions.list()
	}
	if err != nil {
		return HandshakeRequest{}, &ProtocolError{Doing: "read handshake request", Err: err}
	}
	return request, nil
}

// ParseHandshakeResponse reads the payload of PayloadHandshakeResponse.
func ParseHandshakeResponse(payload []byte) (HandshakeResponse, error) {
	var wire struct {
		ClientVersion          string
		ProcessedClientActions actions[ProcessedAction]
		Errors                 actions[string]
	}
	err := unmarshal(payload, &wire)
	response := HandshakeResponse{ClientVersion: wire.ClientVersion}
	if err == nil {
		response.ProcessedClientActions, err = wire.ProcessedClientActions.list()
	}
	if err == nil {
		response.Errors, err = wire.Errors.list()
	}
	if err != nil {
		return HandshakeResponse{}, &ProtocolError{Doing: "read handshake response", Err: err}
	}
	return response, nil
}

// ParseHandshakeComplete reads the payload of PayloadHandshakeComplete.
func ParseHandshakeComplete(payload []byte) (HandshakeComplete, error) {
	var complete HandshakeComplete
	if err := unmarshal(payload, &complete); err != nil {
		return HandshakeComplete{}, &ProtocolError{Doing: "read handshake completion", Err: err}
	}
	return complete, nil
}

// EncChallenge is the payload of PayloadEncChallengeRequest and of
// PayloadEncChallengeResponse: proof that both ends have the session's keys.
type EncChallenge struct {
	Challenge string // base64 of nonce, ciphertext and tag
}

// ParseEncChallenge reads the payload of either challenge.
func ParseEncChallenge(payload []byte) (EncChallenge, error) {
	var challenge EncChallenge
	if err := unmarshal(payload, &challenge); err != nil {
		return EncChallenge{}, &ProtocolError{Doing: "read encryption challenge", Err: err}
	}
	return challenge, nil
}
