package fleet

import (
	"fmt"
	"strings"
)

// Codes of a StartError that are not AWS's own.
const (
	CodeCancelled = "Cancelled"      // ctx ended; a session that had been started has its SessionID here
	CodeUnsent    = "Unsent"         // the request could not be sent: name, connection, TLS, credentials
	CodeNoAnswer  = "NoAnswer"       // the request was sent and its answer was not seen
	CodeStreamURL = "StreamUrl"      // the answer names a place that must not get the token
	CodeConnect   = "ConnectChannel" // the session was started and its channel could not be opened
)

// StartError says that there is no session to work with, and how much is known
// about why.
type StartError struct {
	Target string
	Code   string // AWS's error code, such as TargetNotConnected, or one of the Code constants

	// SessionID is set when AWS had started the session before things went
	// wrong. It was told to terminate; TerminateErr says if that failed.
	SessionID    string
	TerminateErr error

	// Swept are sessions found by their reason after an answer was not seen,
	// and terminated.
	Swept []string

	Err error

	ambiguous bool
}

// Ambiguous reports whether a session may have been started, or have run what
// travelled in the call, without anybody to tell how it ended. It is false when
// it is certain that nothing of the call ran on the target.
func (e *StartError) Ambiguous() bool { return e.ambiguous }

// Offline reports whether AWS said that the target takes no sessions now.
func (e *StartError) Offline() bool { return e.Code == "TargetNotConnected" }

func (e *StartError) Unwrap() error { return e.Err }

func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "start session on %s: %v", e.Target, e.Err)
	switch {
	case len(e.Swept) > 0:
		fmt.Fprintf(&b, "; found and terminated %s", strings.Join(e.Swept, ", "))
	case e.SessionID != "" && e.TerminateErr != nil:
		fmt.Fprintf(&b, "; session %s may still be open: %v", e.SessionID, e.TerminateErr)
	}
	return b.String()
}
