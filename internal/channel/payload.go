package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PayloadType says what the payload of stream data is. Both directions share
// the numbers.
type PayloadType uint32

const (
	PayloadOutput               PayloadType = 1 // output, and also keyboard input
	PayloadSize                 PayloadType = 3 // terminal size, JSON
	PayloadHandshakeRequest     PayloadType = 5
	PayloadHandshakeResponse    PayloadType = 6
	PayloadHandshakeComplete    PayloadType = 7
	PayloadEncChallengeRequest  PayloadType = 8
	PayloadEncChallengeResponse PayloadType = 9
	PayloadFlag                 PayloadType = 10 // port sessions, 4 bytes
	PayloadStdErr               PayloadType = 11
	PayloadExitCode             PayloadType = 12 // text, "EXIT_CODE: 3"
)

// SessionType is what a session is, as the handshake names it.
type SessionType string

const (
	StandardStream         SessionType = "Standard_Stream"        // a shell on a pty
	InteractiveCommands    SessionType = "InteractiveCommands"    // the document's command on a pty
	NonInteractiveCommands SessionType = "NonInteractiveCommands" // a command without pty and input
	Port                   SessionType = "Port"                   // a TCP connection
)

// Flag is the payload of PayloadFlag, in port sessions.
type Flag uint32

const (
	FlagDisconnectToPort   Flag = 1 // client: close the target's connection
	FlagTerminateSession   Flag = 2 // client: end the session
	FlagConnectToPortError Flag = 3 // agent: the port refused
)

// AppendFlag appends the payload of a flag.
func AppendFlag(b []byte, flag Flag) []byte { return binary.BigEndian.AppendUint32(b, uint32(flag)) }

// ParseFlag reads the payload of a flag.
func ParseFlag(payload []byte) (Flag, error) {
	if len(payload) != 4 {
		return 0, &ProtocolError{Doing: "read flag", Err: fmt.Errorf("%d bytes, want 4", len(payload))}
	}
	return Flag(binary.BigEndian.Uint32(payload)), nil
}

// Size is the payload of PayloadSize.
type Size struct {
	Cols uint32 `json:"cols"`
	Rows uint32 `json:"rows"`
}

// ParseSize reads the payload of a terminal size.
func ParseSize(payload []byte) (Size, error) {
	var size Size
	if err := unmarshal(payload, &size); err != nil {
		return Size{}, &ProtocolError{Doing: "read size", Err: err}
	}
	return size, nil
}

const (
	exitCodePrefix = "EXIT_CODE: "
	// maxExitCode is one more than the longest payload of an exit code has, so
	// that what is cut to it is not one.
	maxExitCode = len(exitCodePrefix) + len("-2147483648") + 1
)

// AppendExitCode appends the payload of an exit code.
func AppendExitCode(b []byte, code int) []byte {
	return strconv.AppendInt(append(b, exitCodePrefix...), int64(code), 10)
}

// ParseExitCode reads the payload of an exit code. It accepts nothing around
// the number, so that a damaged code is never taken for another.
func ParseExitCode(payload []byte) (int, error) {
	payload = payload[:min(len(payload), maxExitCode)]
	number, ok := strings.CutPrefix(string(payload), exitCodePrefix)
	if !ok {
		return 0, &ProtocolError{Doing: "read exit code", Err: fmt.Errorf("no %q in %.40q", exitCodePrefix, payload)}
	}
	code, err := strconv.ParseInt(number, 10, 64)
	if err == nil && strconv.FormatInt(code, 10) != number {
		err = errors.New("not in canonical form")
	}
	if err == nil && (code < -1<<31 || code > 1<<32-1) {
		err = errors.New("out of range")
	}
	if err != nil {
		return 0, &ProtocolError{Doing: "read exit code", Err: fmt.Errorf("%.40q: %w", number, err)}
	}
	return int(code), nil
}
