package shell

import (
	"strings"
	"unicode"
)

// echoPiece is how many bytes in a row a line has to share with what was typed
// before they count as its echo: an editing shell breaks up, and repeats, what it
// shows.
const echoPiece = 16

// withoutEcho returns what a screen says besides the terminal's echo of what was
// typed. Of a line that is mostly echo the prompt before it stays; one that has
// less of it is whole: a shell quotes what it does not understand.
func withoutEcho(screen, typed string) string {
	pieces := make(map[string]bool, len(typed))
	for i := 0; i+echoPiece <= len(typed); i++ {
		pieces[typed[i:i+echoPiece]] = true
	}
	var kept []string
	for line := range strings.SplitSeq(screen, "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if n, first := echoed(line, pieces); 3*n >= 2*len(line) || n > 4*echoPiece {
			line = strings.TrimSpace(line[:first])
		}
		again := len(kept) > 0 && line == kept[len(kept)-1]
		if says(line) && !strings.Contains(typed, line) && !again {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// says reports whether a line is more than the mark of a prompt or of Ctrl-C.
func says(line string) bool {
	return strings.ContainsFunc(strings.ReplaceAll(line, "^C", ""), func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	})
}

// echoed is how many bytes of a line are parts of pieces, and where the first is.
func echoed(line string, pieces map[string]bool) (n, first int) {
	counted := 0 // the bytes before it are
	for i := 0; i+echoPiece <= len(line); i++ {
		if !pieces[line[i:i+echoPiece]] {
			continue
		}
		if n == 0 {
			first = i
		}
		n += i + echoPiece - max(i, counted)
		counted = i + echoPiece
	}
	return n, first
}
