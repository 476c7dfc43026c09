package channel

import (
	"errors"
	"fmt"
)

// OpenDataChannel is the first frame of every connection, the only text one.
type OpenDataChannel struct {
	MessageSchemaVersion string
	RequestID            string `json:"RequestId"`
	TokenValue           string
	ClientInstanceID     string `json:"ClientInstanceId,omitempty"` // agents only
	ClientID             string `json:"ClientId"`                   // one for all connections of a session
	ClientVersion        string `json:",omitempty"`                 // clients only
}

// ParseOpenDataChannel reads the first frame's text.
func ParseOpenDataChannel(text []byte) (OpenDataChannel, error) {
	var open OpenDataChannel
	if err := unmarshal(text, &open); err != nil {
		return OpenDataChannel{}, &ProtocolError{Doing: "read open data channel", Err: err}
	}
	if open.TokenValue == "" {
		return OpenDataChannel{}, &ProtocolError{Doing: "read open data channel", Err: errors.New("no token")}
	}
	return open, nil
}

// String hides the token, which opens the session for whoever has it.
func (o OpenDataChannel) String() string {
	return fmt.Sprintf("OpenDataChannel{RequestID:%s ClientID:%s ClientVersion:%s TokenValue:***}",
		o.RequestID, o.ClientID, o.ClientVersion)
}

// GoString hides the token as String does.
func (o OpenDataChannel) GoString() string { return o.String() }

// ChannelClosed is the payload of channel_closed: the service says that the
// session is over.
type ChannelClosed struct {
	CreatedDate   string // ms since the epoch, as text
	DestinationID string `json:"DestinationId"`
	MessageID     string `json:"MessageId"`
	MessageType   string
	Output        string // why, for people; empty for an ordinary end
	SchemaVersion int
	SessionID     string `json:"SessionId"`
}

// ParseChannelClosed reads the payload of channel_closed.
func ParseChannelClosed(payload []byte) (ChannelClosed, error) {
	var closed ChannelClosed
	if err := unmarshal(payload, &closed); err != nil {
		return ChannelClosed{}, &ProtocolError{Doing: "read channel closed", Err: err}
	}
	return closed, nil
}

// AgentSessionState is the payload of agent_session_state, by which an agent
// tells the service that it is there ("Connected") and that it is done
// ("Terminating"). Clients never see one.
type AgentSessionState struct {
	SchemaVersion int
	SessionState  string
	SessionID     string `json:"SessionId"`
}

// ParseAgentSessionState reads the payload of agent_session_state.
func ParseAgentSessionState(payload []byte) (AgentSessionState, error) {
	var state AgentSessionState
	if err := unmarshal(payload, &state); err != nil {
		return AgentSessionState{}, &ProtocolError{Doing: "read agent session state", Err: err}
	}
	return state, nil
}
