//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// endOfInputIsCtrlZ: an empty read of a raw terminal is its end.
const endOfInputIsCtrlZ = false

// leaveSignals end the program.
var leaveSignals = []os.Signal{syscall.SIGTERM, syscall.SIGHUP}

// stopSignal is the one that stops a program until it is continued.
var stopSignal os.Signal = syscall.SIGTSTP

// keySignals are what a terminal that is not raw makes of keys.
var keySignals = map[os.Signal]byte{
	syscall.SIGINT:  0x03,
	syscall.SIGQUIT: 0x1c,
	syscall.SIGTSTP: 0x1a,
}

// enterRaw makes the terminal in raw and returns what undoes it.
func enterRaw(in, _ *os.File) (undo func() error, err error) {
	fd := int(in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	return func() error { return term.Restore(fd, state) }, nil
}

// watchWindow calls changed whenever the size may be another, until done is
// closed, and continued when the program goes on after it was stopped.
func watchWindow(done <-chan struct{}, changed, continued func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGCONT)
	defer signal.Stop(signals)
	changed() // it may have, before this listened
	for {
		select {
		case <-done:
			return
		case sig := <-signals:
			if sig == syscall.SIGCONT {
				continued()
			}
			changed()
		}
	}
}
