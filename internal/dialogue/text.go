package dialogue

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// plainText takes from a terminal's output what can be read: it leaves out
// escape sequences and control characters, ends a line where the cursor goes to
// another or back to the beginning, and puts spaces where the cursor jumps over
// them (ECMA-48; Windows consoles write no others). It keeps whole characters
// only, and its result does not depend on how the output was cut.
type plainText struct {
	state    escape
	sequence []byte // parameters of a control sequence, bounded
	skipped  int    // bytes of a control string
	returned bool   // a carriage return that may belong to a newline
	partial  []byte // the beginning of a character
}

type escape int

const (
	noEscape escape = iota
	escaped         // behind ESC
	charset         // behind ESC ( and its like: one more byte
	control         // behind ESC [
	text            // in a control string: behind ESC ], ESC P and others
	textEnd         // behind ESC in a control string
)

const (
	// maxSequence and maxString are where a sequence that does not end is
	// given up: an honest one is far shorter.
	maxSequence = 64
	maxString   = 4 << 10
	// maxJump is the most spaces for one jump of the cursor.
	maxJump = 256
)

// append adds the readable text of p to out.
func (t *plainText) append(out, p []byte) []byte {
	for _, b := range p {
		out = t.take(out, b)
	}
	return out
}

func (t *plainText) take(out []byte, b byte) []byte {
	switch t.state {
	case noEscape:
		return t.character(out, b)
	case escaped:
		t.begin(b)
	case charset:
		t.state = noEscape
	case control:
		return t.controlByte(out, b)
	case text:
		t.skipped++
		switch {
		case b == 0x1b:
			t.state = textEnd
		case b == 0x07, b == 0x18, b == 0x1a, t.skipped >= maxString:
			t.state = noEscape
		}
	case textEnd:
		t.begin(b) // ESC \ ends the string, any other sequence does, too
	}
	return out
}

// begin takes the byte behind ESC.
func (t *plainText) begin(b byte) {
	switch b {
	case '[':
		t.state, t.sequence = control, t.sequence[:0]
	case ']', 'P', 'X', '^', '_':
		t.state, t.skipped = text, 0
	case '(', ')', '*', '+', '-', '.', '/', '#', '%', ' ':
		t.state = charset
	case 0x1b:
		t.state = escaped
	default:
		t.state = noEscape
	}
}

// controlByte takes a byte of a control sequence.
func (t *plainText) controlByte(out []byte, b byte) []byte {
	switch {
	case b == 0x1b:
		t.state = escaped
		return out
	case b < 0x20 && b != 0x18 && b != 0x1a:
		return t.controlCharacter(out, b) // it acts within the sequence
	case b < 0x40 && b >= 0x20 && len(t.sequence) < maxSequence:
		t.sequence = append(t.sequence, b)
		return out
	}
	t.state = noEscape
	switch b {
	case 'C':
		n, err := strconv.Atoi(string(t.sequence))
		if err != nil || n < 1 {
			n = 1
		}
		out = t.settle(out)
		return append(out, bytes.Repeat([]byte{' '}, min(n, maxJump))...)
	case 'E', 'F', 'H', 'd', 'f':
		t.returned = false
		return append(t.drop(out), '\n')
	}
	return out
}

// character takes a byte outside of escape sequences.
func (t *plainText) character(out []byte, b byte) []byte {
	switch {
	case b == 0x1b:
		t.state = escaped
		return t.drop(out)
	case b < 0x20 || b == 0x7f:
		return t.controlCharacter(t.drop(out), b)
	case b < utf8.RuneSelf:
		return append(t.settle(out), b)
	}
	if len(t.partial) > 0 && utf8.RuneStart(b) {
		out = t.drop(out)
	}
	t.partial = append(t.partial, b)
	if !utf8.FullRune(t.partial) {
		return out
	}
	r, n := utf8.DecodeRune(t.partial)
	whole := t.partial[:n]
	t.partial = t.partial[:0]
	switch {
	case r == utf8.RuneError && n == 1:
		return append(t.settle(out), string(utf8.RuneError)...)
	case r < 0xa0:
		return out // a control character of eight bits
	}
	return append(t.settle(out), whole...)
}

func (t *plainText) controlCharacter(out []byte, b byte) []byte {
	switch b {
	case '\n':
		t.returned = false
		return append(out, '\n')
	case '\r':
		t.returned = true
	case '\t':
		return append(t.settle(out), '\t')
	}
	return out
}

// settle makes a new line of a carriage return that was none before a newline.
func (t *plainText) settle(out []byte) []byte {
	out = t.drop(out)
	if t.returned {
		t.returned = false
		out = append(out, '\n')
	}
	return out
}

// drop stands for a character that was not completed.
func (t *plainText) drop(out []byte) []byte {
	if len(t.partial) > 0 {
		t.partial = t.partial[:0]
		out = append(out, string(utf8.RuneError)...)
	}
	return out
}
