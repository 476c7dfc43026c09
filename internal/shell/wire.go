package shell

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// Line lengths: a canonical terminal cuts a line over 4,095 bytes silently
// (1,024 on macOS), so lines up stay well below, and lines down are as short.
const (
	maxLineUp   = 900
	maxPayload  = 840      // of a data line, what is left beside the nonce and the verb
	maxLineDown = 64 << 10 // a longer stray line is cut
)

// randomID returns n random bytes in hexadecimal: nonces, boot ids, markers.
func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// message is one line of the step server, without its tag: a verb and what
// follows it.
type message struct {
	verb string
	rest []byte
}

func parseMessage(b []byte) message {
	verb, rest, _ := bytes.Cut(b, []byte(" "))
	return message{verb: string(verb), rest: rest}
}

// field cuts the next word from the rest.
func (m *message) field() string {
	word, rest, _ := bytes.Cut(m.rest, []byte(" "))
	m.rest = rest
	return string(word)
}

// number cuts the next word, a decimal number; ok is false when it is none.
func (m *message) number() (n int64, ok bool) {
	n, err := strconv.ParseInt(m.field(), 10, 64)
	return n, err == nil
}

// settings reads the rest as words of the form key=value; a word without a
// value is set to itself.
func (m *message) settings() map[string]string {
	s := make(map[string]string)
	for _, word := range strings.Fields(string(m.rest)) {
		k, v, ok := strings.Cut(word, "=")
		if !ok {
			v = k
		}
		s[k] = v
	}
	return s
}

// lines cuts a session's output into lines. Carriage returns before the
// newline, which the terminal adds, are dropped.
type lines struct {
	partial []byte
	cut     bool // the partial line was too long; what follows of it is dropped
}

// feed calls each for every complete line in p, in order. The slice is only
// valid during the call.
func (l *lines) feed(p []byte, each func([]byte)) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.keep(p)
			return
		}
		line := p[:i]
		if len(l.partial) > 0 {
			l.keep(line)
			line = l.partial
		}
		each(bytes.TrimRight(line, "\r"))
		l.partial, l.cut = l.partial[:0], false
		p = p[i+1:]
	}
}

func (l *lines) keep(p []byte) {
	if room := maxLineDown - len(l.partial); len(p) > room {
		p, l.cut = p[:room], true
	}
	l.partial = append(l.partial, p...)
}
