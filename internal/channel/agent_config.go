package channel

import (
	"context"
	"encoding/json"
	"time"
)

// AgentConfig says how the agent's end of a channel behaves. The zero value of
// every field but SessionID is what an agent does.
type AgentConfig struct {
	SessionID string

	// SessionType and Properties are announced in the handshake, when
	// Handshake asks for one; agents do so for Port and NonInteractiveCommands
	// and, without KMS, not for the pty kinds.
	SessionType  SessionType
	Properties   json.RawMessage // nil: null
	AgentVersion string          // default "3.3.0.0"
	Handshake    bool

	// Encryption, when not nil, is asked for in the handshake, which there is
	// then also without Handshake. Agents never ask for it in Port sessions.
	Encryption *AgentEncryption

	// CustomerMessage goes with the handshake's completion. Empty in an
	// encrypted session: what an agent says of it.
	CustomerMessage string

	// Input is given the client's stream data, in order and never
	// concurrently, but for the handshake's own. It must not keep the bytes.
	// ErrNotReady: the message is not acknowledged and comes again. Another
	// error ends the connection. While it runs nothing is received, as in an
	// agent that writes to a full pty. Nil: input is acknowledged and dropped.
	Input func(payloadType PayloadType, data []byte) error

	// MaxPayload is the most bytes in a message. Default 1024.
	MaxPayload int
	// Queue is how many messages may be unacknowledged before Stdout and
	// Stderr wait. Default 4096.
	Queue int
	// Resend is how many of the oldest unacknowledged messages are looked at
	// for retransmission at a time, at most 64. Default 1, the agent's habit:
	// only the head of the line is ever sent again.
	Resend int
	// HandshakeTimeout bounds the wait for the handshake's response, from the
	// time a client is attached. Default 15 s.
	HandshakeTimeout time.Duration
	// CloseWait bounds Close's wait for acknowledgements. Default 2 s.
	CloseWait time.Duration
}

// AgentEncryption says how the agent's end agrees on encryption.
type AgentEncryption struct {
	KeyID    string // of KMS, as it is told to the client
	TargetID string // the agent's own id, a part of the encryption context

	// Decrypt asks KMS for the data key that the client sent. ctx ends with the
	// session.
	Decrypt func(ctx context.Context, keyID string, ciphertext []byte, encryptionContext map[string]string) (plaintext []byte, err error)

	// RequireChallengeResponse refuses clients that do not acknowledge the
	// challenge in the encryption context: the agent's setting
	// RequireKMSChallengeResponse.
	RequireChallengeResponse bool
}

// encryptedMessage is what an agent asks a client to show.
const encryptedMessage = "This session is encrypted using AWS KMS."

func (c AgentConfig) withDefaults() AgentConfig {
	if c.Encryption != nil {
		c.Handshake = true
		if c.CustomerMessage == "" {
			c.CustomerMessage = encryptedMessage
		}
	}
	if c.AgentVersion == "" {
		c.AgentVersion = "3.3.0.0"
	}
	for _, n := range []struct {
		value  *int
		byRule int
	}{{&c.MaxPayload, 1024}, {&c.Queue, 4096}, {&c.Resend, 1}} {
		if *n.value == 0 {
			*n.value = n.byRule
		}
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 15 * time.Second
	}
	if c.CloseWait == 0 {
		c.CloseWait = 2 * time.Second
	}
	return c
}
