package view

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, ünïcode 日本": "plain text, ünïcode 日本",
		"a\nb\rc\td":             `a\nb\rc\td`,
		"\x1b[2Jgone":            `\x1b[2Jgone`,
		"\x1b]0;title\x07":       `\x1b]0;title\x07`,
		"\x1bP1;2q\x1b\\":        `\x1bP1;2q\x1b\`,
		"\x1b[31mred\x1b[0m":     "red",
		"\x1b[38;5;1mred\x1b[m":  "red",
		"\x1b[31":                `\x1b[31`,
		"\u009b31m":              `\u009b31m`,
		"\x9b31m":                `\x9b31m`,
		"\x7f\x00\x08":           `\x7f\x00\x08`,
		"user\u202egnp.exe":      `user\u202egnp.exe`,
		"\u2066a\u2069\u200f":    `\u2066a\u2069\u200f`,
		"\U000e0041":             `\ue0041`,
		"a\u2028b":               `a\u2028b`,
		"\xff\xfe ok":            `\xff\xfe ok`,
		"cut \xc3":               `cut \xc3`,
		"\ufffd":                 "\ufffd",
	} {
		if got := Sanitize(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// safe reports that nothing in s can do more than fill cells of a line.
func safe(s string, tabs bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if tabs && r == '\t' {
			continue
		}
		if unicode.IsControl(r) || acted(r) || unicode.Is(unicode.Bidi_Control, r) {
			return false
		}
	}
	return true
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"\x1b[2J", "\x1b]8;;http://x\x1b\\", "\xc2\x9b", "é\x9b", "\u202e\u2066", "\x1b\x1b[31m[0m", "\x1b[31\x1b[31mm", "a\r\nb", "\xf0\x9f"} {
		f.Add(s, 1)
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, s string, split int) {
		var got string
		bounds.Check(t, bounds.Wire(len(s)), func() { got = Sanitize(s) })
		if !safe(got, false) {
			t.Fatalf("%q became %q", s, got)
		}
		if safe(s, false) && !strings.ContainsRune(s, 0x1b) && Sanitize(s) != s {
			t.Fatalf("%q was safe, and became %q", s, Sanitize(s))
		}
		split = max(0, min(split, len(s)))
		var cut []string
		lines := lineSplitter{emit: func(l string) { cut = append(cut, l) }}
		lines.feed([]byte(s[:split]))
		lines.feed([]byte(s[split:]))
		lines.end()
		var want []string
		for line := range strings.Lines(s) {
			line = strings.TrimSuffix(line, "\n")
			if len(line) <= maxLine {
				want = append(want, sanitize(strings.TrimSuffix(line, "\r"), true))
			}
		}
		for _, l := range cut {
			if !safe(l, true) {
				t.Fatalf("%q split at %d gave the line %q", s, split, l)
			}
		}
		if len(s) <= maxLine && strings.Join(cut, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%q split at %d: got %q, want %q", s, split, cut, want)
		}
	})
}

func TestLongLinesAreCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("é", 3*maxLine)
	for _, size := range []int{1, 7, 4096, 1 << 20} {
		var got []string
		lines := lineSplitter{emit: func(l string) { got = append(got, l) }}
		for rest := long; rest != ""; {
			n := min(size, len(rest))
			lines.feed([]byte(rest[:n]))
			rest = rest[n:]
		}
		lines.end()
		if strings.Join(got, "") != long {
			t.Errorf("in pieces of %d: the line changed", size)
		}
		for _, l := range got {
			if len(l) > maxLine {
				t.Errorf("in pieces of %d: a line has %d bytes", size, len(l))
			}
		}
	}
}
