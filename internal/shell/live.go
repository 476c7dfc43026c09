package shell

import "fmt"

// The size of a step's terminal: wide, so that lines, and answers in them, are
// broken up less.
const (
	terminalRows    = 50
	terminalColumns = 240
)

// live announces that the step has a terminal, or a stdin that is not known yet.
func (t *typist) live(step *Step) {
	switch {
	case step.Terminal:
		t.line(fmt.Sprintf("L t %d %d", terminalRows, terminalColumns))
	case step.Input != nil:
		t.line("L p")
	}
}

// liveInput types what a step is given while it runs, never more than a window
// of lines ahead of what the step has taken.
type liveInput struct {
	c       *Client
	s       *server
	r       *run
	source  <-chan []byte
	pending []byte
	typed   int64 // lines
	ended   bool  // the source is closed, and the server is to be told
}

// due is the source when there is nothing left to type.
func (l *liveInput) due() <-chan []byte {
	if l.waiting() {
		return nil
	}
	return l.source
}

// room wakes when there may be room for what is left to type.
func (l *liveInput) room() <-chan struct{} {
	if l.waiting() {
		return l.r.room
	}
	return nil
}

func (l *liveInput) waiting() bool { return len(l.pending) > 0 || l.ended }

func (l *liveInput) take(p []byte, more bool) error {
	if !more {
		l.source, l.ended = nil, true
	}
	l.pending = p
	return l.flush()
}

// flush types as much as there is room for.
func (l *liveInput) flush() error {
	t := &typist{c: l.c, s: l.s}
	for l.waiting() && l.typed-l.r.taken.Load() < l.s.window() {
		l.typed++
		if len(l.pending) == 0 {
			l.ended = false
			t.line("I " + l.r.number)
			break
		}
		var line string
		line, l.pending = l.s.cut(l.pending)
		t.line("I " + l.r.number + " " + line)
	}
	return t.flush()
}
