package view

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Sanitize makes text from outside safe to print within a line. Characters that
// a terminal acts on or that reorder text are shown as escapes: the C0 controls
// and DEL, the C1 controls, line and paragraph separators, bidirectional
// controls, invisible tags, and bytes that are no UTF-8. Colour sequences (SGR)
// are left out, since without them the text only becomes more readable.
func Sanitize(s string) string { return sanitize(s, false) }

// sanitize also keeps tabs when told so, for lines of output.
func sanitize(s string, tabs bool) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := sgr(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t' && !tabs:
			b.WriteString(`\t`)
		case r == '\t':
			b.WriteByte('\t')
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case acted(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// acted reports characters outside ASCII that change how others are shown.
func acted(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f, // C1: 0x9b is CSI
		r == 0x061c, r == 0x200e, r == 0x200f, // marks of direction
		r == 0x2028, r == 0x2029, // line and paragraph separators
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, // embeddings, overrides, isolates
		r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, // byte order mark, annotations
		r >= 0xe0000 && r <= 0xe007f: // tags
		return true
	}
	return false
}

// sgr returns the length of the colour sequence that s begins with, 0 when it
// begins with none: ESC [ digits and semicolons m.
func sgr(s string) int {
	if len(s) < 3 || s[0] != 0x1b || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c >= '0' && c <= '9' || c == ';' || c == ':':
		default:
			return 0
		}
	}
	return 0
}

// plainText reports that there is nothing to escape: printable ASCII.
func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
