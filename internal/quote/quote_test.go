package quote

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// hostile draws strings of what shells care about.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching("[a-z '\"\\\\$`!*?\\[\\](){}<>|&;#~=%^\\n\\t-]{0,30}"),
		rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 40).Draw(t, "bytes"))
		}),
		rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") }),
	)
}

// TestShReadsBack runs many strings through each shell at once: a script with
// one printf for each, since a process for each would take minutes.
func TestShReadsBack(t *testing.T) {
	shells := map[string][]string{
		"dash": {"dash"}, "bash": {"bash"}, "posix": {"bash", "--posix"}, "busybox": {"busybox", "sh"},
		"ksh": {"ksh"}, "mksh": {"mksh"}, "zsh": {"zsh", "-f"}, "fish": {"fish", "--no-config"},
	}
	for name, argv := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(argv[0]); err != nil {
				t.Skip("not installed")
			}
			rapid.Check(t, func(rt *rapid.T) {
				words := rapid.SliceOfN(hostile(), 40, 40).Draw(rt, "words")
				if name == "fish" { // which decodes the script it reads
					for i := range words {
						words[i] = strings.ToValidUTF8(words[i], "?")
						words[i] = strings.Map(dropPrivateUse, words[i])
					}
				}
				line, err := ShAll(words)
				if err != nil {
					rt.Fatal(err)
				}
				cmd := exec.Command(argv[0], argv[1:]...)
				// printf is an external command in mksh; `end` guards the last word.
				cmd.Stdin = strings.NewReader("/usr/bin/printf '%s\\0' " + line + " end\n")
				var errs bytes.Buffer
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil {
					rt.Fatalf("%v: %s", err, errs.String())
				}
				if got, want := string(out), strings.Join(words, "\x00")+"\x00end\x00"; got != want {
					rt.Fatalf("got %q\nwant %q\nline %s", got, want, line)
				}
			})
		})
	}
}

// dropPrivateUse drops the characters in which fish keeps its own marks.
func dropPrivateUse(r rune) rune {
	if r >= 0xE000 && r <= 0xF8FF || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE || r > 0xFFFF {
		return -1
	}
	return r
}

func TestShIsReadable(t *testing.T) {
	for in, want := range map[string]string{
		"":           "''",
		"plain":      "plain",
		"/a/b-c.txt": "/a/b-c.txt",
		"a b":        "'a b'",
		"it's":       `'it'\''s'`,
		"A=1":        "'A=1'",
		"~":          "'~'",
		"a!":         `'a'\!`,
	} {
		if got, err := Sh(in); got != want || err != nil {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestNULIsRefused(t *testing.T) {
	_, e1 := Sh("a\x00b")
	_, e2 := ShAll([]string{"a", "\x00"})
	_, e3 := PowerShell("\x00")
	for _, err := range []error{e1, e2, e3} {
		if !errors.Is(err, ErrNUL) {
			t.Errorf("got %v, want ErrNUL", err)
		}
	}
}

func TestPowerShellQuotesAreDoubled(t *testing.T) {
	for in, want := range map[string]string{
		"":              "''",
		"a b$x`n":       "'a b$x`n'",
		"it's":          "'it''s'",
		"\u2018\u2019x": "'\u2018\u2018\u2019\u2019x'",
		"\u201a\u201b":  "'\u201a\u201a\u201b\u201b'",
		"\u201c\n":      "'\u201c\n'",
	} {
		if got, err := PowerShell(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

// splitShlex is the state machine of github.com/google/shlex, which the agent
// vendors: start, in word, escaping, in and out of both kinds of quotes.
func splitShlex(line string) (words []string, err error) {
	const (
		start = iota
		inWord
		escape
		escapeQuoted
		double
		single
		comment
	)
	var word []rune
	state := start
	r := strings.NewReader(line)
	for {
		c, _, e := r.ReadRune()
		if e == io.EOF {
			if state == escape || state == escapeQuoted || state == double || state == single {
				return nil, errors.New("EOF found inside quotes")
			}
			if state == inWord {
				words = append(words, string(word))
			}
			return words, nil
		}
		space := c == ' ' || c == '\t' || c == '\r' || c == '\n'
		switch state {
		case start, inWord:
			switch {
			case space:
				if state == inWord {
					words, word = append(words, string(word)), nil
				}
				state = start
			case c == '"':
				state = double
			case c == '\'':
				state = single
			case c == '\\':
				state = escape
			case c == '#' && state == start:
				state = comment
			default:
				word, state = append(word, c), inWord
			}
		case escape:
			word, state = append(word, c), inWord
		case escapeQuoted:
			word, state = append(word, c), double
		case double:
			switch c {
			case '"':
				state = inWord
			case '\\':
				state = escapeQuoted
			default:
				word = append(word, c)
			}
		case single:
			if c == '\'' {
				state = inWord
			} else {
				word = append(word, c)
			}
		case comment:
			if c == '\n' {
				state = start
			}
		}
	}
}

func TestShlexReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(hostile(), 1, 6).Draw(t, "words")
		var quoted []string
		for i := range words {
			words[i] = strings.ToValidUTF8(words[i], "?") // the splitter reads runes
			quoted = append(quoted, Shlex(words[i]))
		}
		got, err := splitShlex(strings.Join(quoted, " "))
		if err != nil || strings.Join(got, "\x00") != strings.Join(words, "\x00") || len(got) != len(words) {
			t.Fatalf("got %q, %v, want %q", got, err, words)
		}
	})
}
