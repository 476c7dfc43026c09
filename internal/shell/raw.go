package shell

import "errors"

// The raw encoding is for sessions that pass bytes. The agent's output path
// passes all but U+FFFD, of which every occurrence has the byte EF, and holds
// back up to three bytes at the end that are not whole characters
// (amazon-ssm-agent, agent/session/shell/shell.go, processStdoutData): so a line
// that ends a frame ends in ASCII. A server escapes NUL, tab, newline, carriage
// return, the flow control characters, escape, EF and the escape character,
// which is 3.5 % of noise where base64 adds 33 %. It starts with a line that
// has every byte, and uses the encoding only when the client has told it that
// the line came unchanged.

const (
	rawEscape = '='
	rawFlip   = 0x40   // of an escaped byte
	rawTail   = " 8=8" // ends the line with every byte
)

// decodeRaw undoes the raw encoding of lines joined by newlines.
func decodeRaw(text []byte) ([]byte, error) {
	data := make([]byte, 0, len(text))
	escaped := false
	for _, c := range text {
		switch {
		case c == '\n':
		case escaped:
			data, escaped = append(data, c^rawFlip), false
		case c == rawEscape:
			escaped = true
		default:
			data = append(data, c)
		}
	}
	if escaped {
		return nil, errors.New("raw frame ends within an escape")
	}
	return data, nil
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
