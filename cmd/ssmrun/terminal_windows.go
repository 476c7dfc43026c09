package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/term"
)

// endOfInputIsCtrlZ: Go's reader of a console takes the key Ctrl-Z for the end
// of the file.
const endOfInputIsCtrlZ = true

// windowPoll is how often the console is asked for its size: it does not tell.
const windowPoll = 250 * time.Millisecond

// leaveSignals end the program; SIGTERM is a console that is being closed.
var leaveSignals = []os.Signal{syscall.SIGTERM}

// stopSignal is the one that stops a program: there is none.
var stopSignal os.Signal

// keySignals are what a console that is not raw makes of keys.
var keySignals = map[os.Signal]byte{os.Interrupt: 0x03}

// enterRaw makes the console raw, with keys and output as the sequences that
// terminals elsewhere have, and returns what undoes it.
func enterRaw(in, out *os.File) (undo func() error, err error) {
	fd := int(in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	undo = func() error { return term.Restore(fd, state) }
	screen, before := windows.Handle(out.Fd()), uint32(0)
	if windows.GetConsoleMode(screen, &before) != nil {
		return undo, nil // output goes elsewhere
	}
	const sequences = windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING | windows.DISABLE_NEWLINE_AUTO_RETURN
	if err := windows.SetConsoleMode(screen, before|sequences); err != nil {
		return nil, errors.Join(err, undo())
	}
	return func() error {
		return errors.Join(windows.SetConsoleMode(screen, before), term.Restore(fd, state))
	}, nil
}

// watchWindow calls changed whenever the size may be another, until done is
// closed.
func watchWindow(done <-chan struct{}, changed, _ func()) {
	tick := time.NewTicker(windowPoll)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			changed()
		}
	}
}
