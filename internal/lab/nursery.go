package lab

import (
	"os"
	"syscall"
)

// launch is a process to start.
type launch struct {
	node     *node
	argv     []string
	path     string // the program's file
	env      []string
	dir      string
	files    [3]*os.File // standard input, output and error; still the caller's
	terminal bool        // files[0] becomes its controlling terminal
}

// exit is how a process ended.
type exit struct {
	code   int // -1 when a signal ended it
	signal syscall.Signal
}

// process is a direct child of the lab.
type process struct {
	pid  int
	node *node
	done chan struct{} // closed when it was reaped
	exit exit          // valid when done is closed
}
