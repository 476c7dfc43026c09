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

	// CustomerMessage goes with the handshake's completion.
	CustomerMessage string

	// Input is given the client's stream data, in order and never
	// concurrently, but for the handshake's own. ErrNotReady: the message is
	// not acknowledged and comes again. Another error ends the connection.
	// Nil: input is acknowledged and dropped.
	Input func(payloadType PayloadType, data []byte) error

	// MaxPayload is the most bytes in a message. Default 1024.
	MaxPayload int
	// Queue is how many messages may be unacknowledged before Stdout and
	// Stderr wait. Default 4096.
	Queue int
	// Resend is how many of the oldest unacknowledged messages are looked at
	// for retransmission at a time. Default 1, the agent's habit: only the
	// head of the line is ever sent again.
	Resend int
	// HandshakeTimeout bounds the wait for the handshake's reply. Default 15 s.
	HandshakeTimeout time.Duration
	// CloseWait bounds Close's wait for acknowledgements. Default 2 s.
	CloseWait time.Duration
}

// Agent is the other end of a data channel: the agent and the service between,
// seen from the client as one. It outlives connections: each one that a client
// opens is given to Attach.
type Agent struct{ cfg AgentConfig }

// NewAgent returns an agent to which nobody is attached. What it sends is
// queued until somebody is.
func NewAgent(cfg AgentConfig) *Agent { return &Agent{cfg: cfg} }

// Attach serves one connection. It reads OpenDataChannel and asks check (nil:
// all are welcome), then announces start_publication, sends again whatever the
// client has not acknowledged, and receives until the connection ends or ctx
// does. A connection that is still attached is closed first: the newest wins.
// The transport is closed when Attach returns. The error says why it ended;
// nil when the session was closed.
func (a *Agent) Attach(ctx context.Context, t Transport, check func(OpenDataChannel) error) error {
	return nil
}

// Ready waits until the agent may begin its work: the handshake is complete,
// or, without one, a client is attached. It fails when the handshake does, when
// the session is closed, or when ctx ends.
func (a *Agent) Ready(ctx context.Context) error { return nil }

// ClientVersion returns the version of the client that is or was attached.
func (a *Agent) ClientVersion() string { return "" }

// Paused reports whether the agent is told not to publish: no client is
// attached.
func (a *Agent) Paused() bool { return false }

// Stdout queues output (payload type 1), cut into messages, and sends it if a
// client is attached. It waits while the queue is full. It fails after the end
// of the session.
func (a *Agent) Stdout(p []byte) error { return nil }

// Stderr is Stdout for payload type 11.
func (a *Agent) Stderr(p []byte) error { return nil }

// Send queues one message of any payload type, as it is.
func (a *Agent) Send(payloadType PayloadType, payload []byte) error { return nil }

// Exit sends the exit code (payload type 12).
func (a *Agent) Exit(code int) error { return nil }

// Drain waits until everything queued was acknowledged, the session is over or
// ctx ended.
func (a *Agent) Drain(ctx context.Context) error { return nil }

// Close ends the session as an agent does: it waits at most CloseWait for
// acknowledgements, then the service tells the client channel_closed with the
// given text. What was not acknowledged by then is lost. It returns when the
// connection has ended; a client that attaches later is told channel_closed at
// once.
func (a *Agent) Close(output string) error { return nil }

// Terminate ends the session as TerminateSession does: channel_closed at once.
func (a *Agent) Terminate(output string) error { return nil }

// Done is closed when Close or Terminate began to end the session, or the
// handshake failed.
func (a *Agent) Done() <-chan struct{} { return nil }

// Stats returns the counts so far.
func (a *Agent) Stats() Stats { return Stats{} }
