package main

import (
	"io"
	"time"
)

const (
	ctrlD = 0x04
	ctrlZ = 0x1a

	// The end of input is said again after these waits, each twice as long as
	// the one before.
	firstEndAgain = time.Second
	lastEndAgain  = 30 * time.Second
)

// keyboard carries the operator's input to a remote terminal.
type keyboard struct {
	in     io.Reader
	remote io.Writer
	typed  bool // in is a terminal: its bytes are keys
}

// run carries input until the session takes no more, or for ever while in has
// none and cannot be stopped waiting for it: the program's end ends it then.
//
// A remote terminal has no end of input but the key Ctrl-D at the start of a
// line. So the end of a file or a pipe finishes the last line, if it is not,
// and types that. The key reaches whoever reads next, which need not be the
// shell, and one that a program's change of modes swallows is lost, so it is
// typed again, ever more seldom, until the session ends.
func (k keyboard) run(done <-chan struct{}) {
	if !k.copy() {
		return
	}
	for wait := firstEndAgain; ; wait = min(2*wait, lastEndAgain) {
		if _, err := k.remote.Write([]byte{ctrlD}); err != nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
	}
}

// copy carries input and reports whether it came to its end: an error of in is
// one too, and it is not when the session takes no more.
func (k keyboard) copy() bool {
	buf := make([]byte, 4096)
	inLine := false
	for {
		n, err := k.in.Read(buf)
		if n > 0 {
			if _, err := k.remote.Write(buf[:n]); err != nil {
				return false
			}
			inLine = buf[n-1] != '\n' && buf[n-1] != '\r'
		}
		if err == nil {
			continue
		}
		if err == io.EOF && k.typed && endOfInputIsCtrlZ {
			if _, err := k.remote.Write([]byte{ctrlZ}); err != nil {
				return false
			}
			continue
		}
		if inLine && !k.typed {
			if _, err := k.remote.Write([]byte("\n")); err != nil {
				return false
			}
		}
		return true
	}
}
