package main

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// terminal is the operator's terminal while a session has it:
//
//   - Only a terminal on stdin is made raw. Without one nothing is changed, and
//     nothing is missed.
//   - It is raw from when the session takes input to restore, which every way
//     out of the program comes by: the session's end, an error, a signal, a
//     panic of a goroutine that defers guard.
//   - While it is raw nothing but the session writes to stdout, and what has to
//     be said goes to notes, with the carriage returns that it then needs.
type terminal struct {
	in, out *os.File

	mu   sync.Mutex   // protects what follows
	undo func() error // nil: it is not raw
}

// withoutCols and withoutRows are what a session is told of the window when there is none: wide
// enough that the target's programs do not fold lines. AWS's plugin says the
// same.
const withoutCols, withoutRows = 300, 100

func (t *terminal) interactive() bool { return term.IsTerminal(int(t.in.Fd())) }
func (t *terminal) shown() bool       { return term.IsTerminal(int(t.out.Fd())) }

// raw makes the terminal raw, if there is one: keys come one by one, unechoed,
// and none of them is a signal here.
func (t *terminal) raw() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undo != nil || !t.interactive() {
		return nil
	}
	undo, err := enterRaw(t.in, t.out)
	if err != nil {
		return err
	}
	t.undo = undo
	return nil
}

// again makes a raw terminal raw once more: while the program was stopped, the
// shell took the terminal back.
func (t *terminal) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undo != nil {
		_, _ = enterRaw(t.in, t.out)
	}
}

// restore gives the terminal its modes back. It may be called at any time, by
// any goroutine, more than once.
func (t *terminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undo != nil {
		_ = t.undo()
		t.undo = nil
	}
}

// guard, deferred, restores the terminal before a panic ends the program.
func (t *terminal) guard() {
	if r := recover(); r != nil {
		t.restore()
		panic(r)
	}
}

// size returns the size of the window that shows the output; 0, 0 when the
// terminal does not know.
func (t *terminal) size() (cols, rows int) {
	if !t.shown() {
		return withoutCols, withoutRows
	}
	cols, rows, err := term.GetSize(int(t.out.Fd()))
	if err != nil {
		return 0, 0
	}
	return cols, rows
}

// notes returns w for what the program itself has to say.
func (t *terminal) notes(w io.Writer) io.Writer { return notes{t, w} }

type notes struct {
	t *terminal
	w io.Writer
}

func (n notes) Write(p []byte) (int, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	text := p
	if n.t.undo != nil {
		text = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
	}
	if _, err := n.w.Write(text); err != nil {
		return 0, err
	}
	return len(p), nil
}
