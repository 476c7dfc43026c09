package channel

import (
	"context"
	"errors"
	"io"
	"time"
)

// DefaultClientVersion is the plugin version that a client names when its
// Config names none. Agents decide by it (multiplexing from 1.1.70, keep-alives
// from 1.2.331, separate output from 1.2.295), so a made-up small number would
// change what they do.
const DefaultClientVersion = "1.2.707.0"

// Config says how to open a session's channel and where its output goes.
// SessionID, Token and Dial are required.
type Config struct {
	// SessionID and Token are StartSession's SessionId and TokenValue.
	SessionID string
	Token     string

	// ClientVersion is told to the service and the agent.
	// Empty: DefaultClientVersion.
	ClientVersion string

	// Dial opens a connection to the session's stream URL; it is called again
	// for every reconnection.
	Dial func(ctx context.Context) (Transport, error)

	// Resume asks the service (ResumeSession) for a new token after the
	// connection was lost. An empty token, or an error that is
	// ErrSessionOver, ends the session; other errors are tried again until
	// ResumeTimeout. Nil: a lost connection ends the session.
	Resume func(ctx context.Context) (token string, err error)

	// Stdout and Stderr receive the session's output, in order and from one
	// goroutine, never concurrently. A message is acknowledged when its bytes
	// were accepted, so a slow writer slows the target down; an error of a
	// writer ends the session. Nil: discarded.
	Stdout, Stderr io.Writer

	// OnReconnect, when not nil, is called before each attempt to reconnect
	// with its number since the connection was lost (from 1) and the reason.
	OnReconnect func(attempt int, cause error)

	// OpenTimeout bounds one dial with its OpenDataChannel. Default 30 s.
	OpenTimeout time.Duration
	// StartTimeout bounds the wait for the first message of any kind after
	// the channel was opened. Default 60 s.
	StartTimeout time.Duration
	// HandshakeTimeout bounds the handshake, from its request to its
	// completion. Default 30 s (the agent itself waits 15 s for each reply).
	HandshakeTimeout time.Duration
	// IdleTimeout ends a session from which nothing was received for so long.
	// Default: none. A dead connection is noticed sooner, by the transport.
	IdleTimeout time.Duration
	// DrainTimeout bounds the wait for the end of the session after the exit
	// code arrived. Default 10 s.
	DrainTimeout time.Duration
	// ResumeTimeout bounds all attempts to reconnect after one loss.
	// Default 2 min.
	ResumeTimeout time.Duration
	// Quiet is how long a session in which the agent has said nothing holds
	// back input. Default 3 s. See the package comment, "Input".
	Quiet time.Duration
}

// Stats counts what a session's channel has done so far.
type Stats struct {
	MessagesSent     int64 // stream messages sent for the first time
	MessagesReceived int64 // stream messages delivered, each once
	BytesSent        int64 // their payload
	BytesReceived    int64
	Retransmissions  int64 // stream messages sent again
	Duplicates       int64 // stream messages received again
	OutOfOrder       int64 // stream messages received early, and kept or refused
	Corrupt          int64 // messages dropped for a wrong digest
	Ignored          int64 // messages of a type this package does not know
	Reconnects       int64 // connections after the first
}

// Session is the client's end of a data channel. Its methods may be called
// from any goroutine.
type Session struct{ cfg Config }

// Connect dials, opens the data channel and starts to receive. ctx bounds only
// Connect itself: cancelling it later does nothing to the session.
func Connect(ctx context.Context, cfg Config) (*Session, error) {
	return nil, errors.New("connect: not implemented")
}

// ID returns the session's id.
func (s *Session) ID() string { return s.cfg.SessionID }

// Ready waits until the session takes input: the handshake is complete, or
// output came without one, or the agent stayed quiet (see Config.Quiet). It
// returns the error that Wait would when the session ended before. ctx bounds
// only the wait.
func (s *Session) Ready(ctx context.Context) error { return nil }

// Type returns the session type that the agent announced in the handshake, ""
// when there was none (yet).
func (s *Session) Type() string { return "" }

// AgentVersion returns the agent's version as told in the handshake, "" when
// there was none (yet).
func (s *Session) AgentVersion() string { return "" }

// CustomerMessage returns what the agent asked to show when the handshake
// completed, often "". It is text from the target.
func (s *Session) CustomerMessage() string { return "" }

// Write sends input, cut into messages. It may be called before the session is
// ready: the bytes are kept and go out, in order, when it is. It returns when
// all bytes were queued, which waits while too much is unacknowledged; what was
// queued is sent again until the agent has it or the session ends.
func (s *Session) Write(p []byte) (int, error) { return 0, nil }

// Resize tells the agent the size of the terminal.
func (s *Session) Resize(cols, rows int) error { return nil }

// Interrupt sends the byte 0x03, Ctrl-C.
func (s *Session) Interrupt() error { return nil }

// Wait waits for the end of the session. It returns nil when the exit code 0
// arrived, an *ExitError for another one, and an *ExitMissingError when the
// session ended without any. By then all output was written. When ctx ends
// first it returns the context's error and the session goes on.
func (s *Session) Wait(ctx context.Context) error { return nil }

// Done is closed when the session has ended and all output was written.
func (s *Session) Done() <-chan struct{} { return nil }

// Close drops the connection and waits until nothing of the session runs any
// more, so a writer that blocks must be released first. It does not end the
// session at the service: that is TerminateSession.
func (s *Session) Close() error { return nil }

// Stats returns the counts so far.
func (s *Session) Stats() Stats { return Stats{} }
