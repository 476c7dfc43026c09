package channel

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed: this end closed the channel.
	ErrClosed = errors.New("channel closed by this end")

	// ErrBusy is what Config.Resume wraps when the service answered, and
	// refused for now: it was throttled, or the credentials have expired. The
	// pauses between the attempts then grow longer than for a network that is
	// down.
	ErrBusy = errors.New("refused for now")

	// ErrRefused is what Config.Resume wraps when the service answered that this
	// is not allowed, which time does not mend: after a few attempts, each with
	// what is new in credentials, the session ends with that answer. A websocket
	// request that is answered 401 or 403 is one more of these.
	ErrRefused = errors.New("refused")

	// ErrSessionOver is what Config.Resume returns (or wraps) when the service
	// says that the session has ended, so that nobody tries again.
	ErrSessionOver = errors.New("the session has ended or timed out")

	// ErrNotReady is what AgentConfig.Input returns when it cannot take input
	// yet. The message is then not acknowledged, and comes again.
	ErrNotReady = errors.New("not ready for input")

	// ErrDigest marks a message whose payload does not match its digest.
	ErrDigest = errors.New("payload does not match its digest")

	// ErrDecrypt marks a payload of an encrypted session that was not encrypted
	// by the session's other end, for this place: it is in the clear, too short,
	// altered, or came before.
	ErrDecrypt = errors.New("payload cannot be decrypted")
)

// ExitError says that the remote command ended with an exit code other than 0.
type ExitError struct {
	Code int // -1: ended by a signal
}

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// ExitMissingError says that the session ended and no exit code had arrived, or
// that the session broke, or lacks messages, so that a code proves nothing. For
// session types that never send one (a pty) this is the ordinary end.
type ExitMissingError struct {
	// Output is the text that the service gave with channel_closed. It comes
	// from outside: quote it before showing it.
	Output string

	// Cause is why the session ended when it was not a channel_closed: a lost
	// connection, a *ProtocolError, a *TimeoutError, ErrClosed, an error of a
	// writer. It may also explain a channel_closed (*UnsupportedError).
	Cause error

	// Gap says that messages MissingFrom to MissingTo (inclusive) never
	// arrived although later ones did: output is missing.
	Gap                    bool
	MissingFrom, MissingTo int64

	// Code is an exit code that came in order, when what came behind it is
	// missing.
	Code *int
}

func (e *ExitMissingError) Error() string {
	text := "session ended without an exit code"
	if e.Code != nil {
		text = fmt.Sprintf("session ended after exit code %d", *e.Code)
	}
	if e.Gap {
		text += fmt.Sprintf(", messages %d to %d are missing: output is lost, look at the target before anything is run again",
			e.MissingFrom, e.MissingTo)
	}
	if e.Output != "" {
		text += fmt.Sprintf(": the service said %q", e.Output)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *ExitMissingError) Unwrap() error { return e.Cause }

// ProtocolError says that the other end sent what no correct peer sends. It
// ends the session.
type ProtocolError struct {
	Doing string // what was read: "read message", "read handshake request"
	Err   error
}

func (e *ProtocolError) Error() string { return e.Doing + ": " + e.Err.Error() }
func (e *ProtocolError) Unwrap() error { return e.Err }

// UnsupportedError says that the agent asked for something in the handshake
// that this client does not do. The agent ends such a session.
type UnsupportedError struct {
	Action string // the action's type, as the agent wrote it
	Reason string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("handshake action %q: %s", e.Action, e.Reason)
}

// EncryptionError says that the session did not get the encryption that was
// asked of it. It ends the session before its handshake is complete: no input was
// sent, and an agent that waits for the handshake has run nothing.
type EncryptionError struct {
	Reason string
	Err    error // of Config.DataKey, or nil

	// Unasked says that the agent began the session without any handshake, so
	// that what the session's document runs by itself may be running.
	Unasked bool
}

func (e *EncryptionError) Error() string {
	text := "session encryption: " + e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *EncryptionError) Unwrap() error { return e.Err }
