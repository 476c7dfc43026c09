package view

import (
	"bytes"
	"unicode/utf8"
)

// maxLine is how long a line of output is shown in one piece.
const maxLine = 4096

// lineSplitter cuts output that comes in pieces into lines that are safe to
// print. A line is given out when its end is there, or when it is too long; so
// neither a character nor an escape sequence can be completed by a later piece.
type lineSplitter struct {
	emit func(line string) // sanitised, without its end
	part []byte
}

func (l *lineSplitter) feed(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.part = append(l.part, p...)
			break
		}
		l.part = append(l.part, p[:i]...)
		l.give(len(l.part))
		p = p[i+1:]
	}
	for len(l.part) > maxLine {
		cut := maxLine
		for cut > maxLine-utf8.UTFMax && !utf8.RuneStart(l.part[cut]) {
			cut--
		}
		l.give(cut)
	}
}

// end gives out a last line that has no end.
func (l *lineSplitter) end() {
	if len(l.part) > 0 {
		l.give(len(l.part))
	}
}

func (l *lineSplitter) give(n int) {
	line := l.part[:n]
	for len(line) > maxLine { // a long line that came in one piece
		cut := maxLine
		for cut > maxLine-utf8.UTFMax && !utf8.RuneStart(line[cut]) {
			cut--
		}
		l.emit(sanitize(string(line[:cut]), true))
		line = line[cut:]
	}
	l.emit(sanitize(string(bytes.TrimSuffix(line, []byte("\r"))), true))
	l.part = append(l.part[:0], l.part[n:]...)
}
