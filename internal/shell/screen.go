package shell

import (
	"regexp"
	"strings"
	"unicode"
)

// screenSize is how much stray text is kept for messages.
const screenSize = 4 << 10

// escapes are the terminal's control sequences: CSI, OSC (ended by BEL or ST)
// and the two-character ones.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|\x1b[@-_=>()][0-9A-B]?`)

// screen keeps the end of what the session said beside the frames: banners,
// prompts, echo. It is shown to people and never parsed.
type screen struct{ text []byte }

func (s *screen) add(line []byte) {
	s.text = append(s.text, line...)
	s.text = append(s.text, '\n')
	if len(s.text) > 2*screenSize {
		s.text = append(s.text[:0], s.text[len(s.text)-screenSize:]...)
	}
}

// String returns the text without control sequences and control characters.
func (s *screen) String() string { return readable(s.text) }

func readable(b []byte) string {
	if len(b) > screenSize {
		b = b[len(b)-screenSize:]
	}
	t := escapes.ReplaceAllString(strings.ToValidUTF8(string(b), "\uFFFD"), "")
	t = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && unicode.IsPrint(r) {
			return r
		}
		return -1
	}, t)
	return strings.TrimSpace(t)
}
