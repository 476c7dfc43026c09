package channel

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// DefaultClientVersion is the plugin version that a client names when its
// Config names none: that of the recorded sessions. Agents decide by it
// (multiplexing from 1.1.70, no keep-alives above 1.2.331, separate output above
// 1.2.295), so a made-up small number would change what they do; plugins from
// 1.2.764 on sign their websocket request, which is up to Config.Dial.
const DefaultClientVersion = "1.2.677.0"

// DefaultOpenTimeout is Config.OpenTimeout when it is not set.
const DefaultOpenTimeout = 30 * time.Second

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
	// ResumeTimeout, less often if they are ErrBusy. Nil: a lost connection ends
	// the session.
	Resume func(ctx context.Context) (token string, err error)

	// DataKey asks KMS (GenerateDataKey) for a data key of 64 bytes, bound to an
	// encryption context, when the agent's handshake asks for encryption. It is
	// called at most once, by the receiving goroutine, with a context that ends
	// with the session or after half of HandshakeTimeout, and the plaintext is
	// overwritten after use. Nil: such handshakes are refused as unsupported.
	DataKey func(ctx context.Context, keyID string, encryptionContext map[string]string) (plaintext, ciphertext []byte, err error)
	// TargetID is StartSession's Target: a part of the encryption context.
	TargetID string
	// RequireEncryption ends the session with an *EncryptionError unless its
	// handshake agrees on encryption. No input leaves before.
	RequireEncryption bool
	// KeyID pins the KMS key, by id, ARN, alias or alias ARN: data keys are made
	// with it and with nothing else, and an agent that names another key is
	// refused with an *EncryptionError. An alias and a key id are left to KMS to
	// compare, which does not let the agent decrypt if they are not one key. It
	// does not by itself require encryption. Empty: whatever the agent names.
	KeyID string

	// Stdout and Stderr receive the session's output, in order and from one
	// goroutine, never concurrently. A message is acknowledged when its bytes
	// were accepted, so a slow writer slows the target down; an error of a
	// writer ends the session. Nil: discarded.
	Stdout, Stderr io.Writer

	// TakePort says that the bytes of a session of type Port are read from
	// Session.Port and not written to Stdout.
	TakePort bool

	// OnReconnect, when not nil, is called before each attempt to reconnect
	// with its number since the connection was lost (from 1) and the reason.
	OnReconnect func(attempt int, cause error)

	// HandshakeDue says that the session is of a type whose agent always begins
	// with a handshake (Port, NonInteractiveCommands), so that its absence means
	// something.
	HandshakeDue bool

	// Each wait of a session has a deadline of its own, and ends it, or its
	// connection, with a *TimeoutError that names the layer. A transport has
	// more of them: see WebsocketOptions.

	// OpenTimeout bounds one dial with its OpenDataChannel. Default 30 s.
	OpenTimeout time.Duration
	// StartTimeout bounds the wait for the first message of any kind after
	// the channel was opened, and the wait for the agent's first word after
	// input was sent to it, or, with HandshakeDue, after the opening. After a
	// reconnection it bounds the wait for any message while some of ours are
	// not acknowledged. Default 60 s.
	StartTimeout time.Duration
	// HandshakeTimeout bounds the handshake, from its request to its
	// completion; half of it bounds the wait for DataKey, and as much the wait
	// for the agent's challenge after it. Default 30 s (the agent itself waits
	// 15 s for each reply).
	HandshakeTimeout time.Duration
	// IdleTimeout ends a session from which nothing was received for so long.
	// Default: none. A dead connection is noticed sooner, by the transport.
	IdleTimeout time.Duration
	// DrainTimeout bounds the wait for the end of the session after the exit
	// code arrived; the code stands. Default 10 s.
	DrainTimeout time.Duration
	// ResumeTimeout bounds all attempts to reconnect after one loss.
	// Default 2 min.
	ResumeTimeout time.Duration
	// CallTimeout bounds one call of Resume. Default 10 s.
	CallTimeout time.Duration
	// Quiet is how long a session in which the agent has said nothing holds
	// back input. Default 3 s. See the package comment, "Input".
	Quiet time.Duration

	jitter func(n int64) int64 // nil: rand.Int64N; simulations draw their own
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.SessionID == "":
		return c, errors.New("no session id")
	case c.Token == "":
		return c, errors.New("no token")
	case c.Dial == nil:
		return c, errors.New("no way to dial")
	case c.DataKey != nil && c.TargetID == "":
		return c, errors.New("no target id")
	case c.RequireEncryption && c.DataKey == nil:
		return c, errors.New("encryption is required, and there is no way to get a data key")
	}
	if c.ClientVersion == "" {
		c.ClientVersion = DefaultClientVersion
	}
	if c.Stdout == nil {
		c.Stdout = io.Discard
	}
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	if c.jitter == nil {
		c.jitter = rand.Int64N
	}
	for _, d := range []struct {
		value  *time.Duration
		byRule time.Duration
	}{
		{&c.OpenTimeout, DefaultOpenTimeout},
		{&c.StartTimeout, time.Minute},
		{&c.HandshakeTimeout, 30 * time.Second},
		{&c.DrainTimeout, 10 * time.Second},
		{&c.ResumeTimeout, 2 * time.Minute},
		{&c.CallTimeout, 10 * time.Second},
		{&c.Quiet, 3 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.byRule
		}
	}
	return c, nil
}
