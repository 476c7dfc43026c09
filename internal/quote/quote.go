package quote

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNUL is returned for a string with a NUL byte: no argument, variable or
// file name of a POSIX system or of PowerShell's command line can carry one.
var ErrNUL = errors.New("contains a NUL byte, which no command line can carry")

// shSafe has the bytes that mean nothing to any shell, anywhere in a word.
// `=` and `~` are not among them: a first word with `=` is an assignment, and
// zsh expands a word that begins with `=`.
const shSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-"

// Sh quotes s as one word for a POSIX shell. The result reads back as s in
// dash, bash, busybox ash, ksh, mksh, yash and zsh, and, because it never
// leaves a backslash or a `!` inside single quotes, in fish and at an
// interactive prompt as well. The error is ErrNUL.
func Sh(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", fmt.Errorf("quote for sh: string %w", ErrNUL)
	}
	if s == "" {
		return "''", nil
	}
	if strings.Trim(s, shSafe) == "" {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	quoted := false
	open := func(want bool) {
		if quoted != want {
			b.WriteByte('\'')
			quoted = want
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '\\', '!':
			open(false)
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			open(true)
			b.WriteByte(c)
		}
	}
	open(false)
	return b.String(), nil
}

// ShAll quotes every word as Sh does and joins them with spaces: a command
// line that runs exactly those arguments. The error names the first word that
// cannot be quoted.
func ShAll(words []string) (string, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		q, err := Sh(w)
		if err != nil {
			return "", fmt.Errorf("word %d: %w", i+1, err)
		}
		quoted[i] = q
	}
	return strings.Join(quoted, " "), nil
}

// PowerShell quotes s as one argument in PowerShell's argument mode: a
// verbatim string. All five characters that PowerShell takes for a single
// quote are doubled, not only the ASCII one (about_Quoting_Rules; the
// tokenizer's IsSingleQuote). Newlines stand for themselves. The error is
// ErrNUL.
func PowerShell(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", fmt.Errorf("quote for PowerShell: string %w", ErrNUL)
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('\'')
	for i := 0; i < len(s); {
		n := 1
		if s[i] == '\'' {
			b.WriteByte('\'')
		} else if i+3 <= len(s) && strings.Contains("\u2018\u2019\u201a\u201b", s[i:i+3]) {
			n = 3
			b.WriteString(s[i : i+3])
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	b.WriteByte('\'')
	return b.String(), nil
}

// Shlex quotes s as one word for the splitting rules of github.com/google/shlex,
// which the agent applies to a NonInteractiveCommands command line before it
// executes it without a shell. In those rules a single-quoted part is literal,
// and a backslash outside of quotes takes the next character literally.
//
// The splitter works on UTF-8: an invalid byte reaches the program as U+FFFD,
// so a caller that must be exact keeps s ASCII.
func Shlex(s string) string {
	if s == "" {
		return "''"
	}
	if strings.Trim(s, shSafe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
