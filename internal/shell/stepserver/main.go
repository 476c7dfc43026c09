//go:build linux

// Stepserver is the step server as a static binary: the twin of server.pl and
// server.py, the same wire, the same rules, for targets that have neither perl
// nor python3. internal/shell/doc.go describes the wire; internal/shell sends
// the binary over the session and has the loader start it.
//
// It imports little, since what it weighs is sent to every target: no fmt of its
// own, no os/exec, no net. One goroutine does everything but wait for signals.
//
// It has one thing that the others have not: it is the reaper of all that its
// steps leave behind (prctl(2), PR_SET_CHILD_SUBREAPER), so that a process which
// left a cancelled step's session, and lost its parent, is still seen.
package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Of prctl(2); package syscall does not have it.
const prSetChildSubreaper = 36

// server is the whole state.
type server struct {
	nonce string
	in    []byte // read from the terminal, less than a line
	texts map[string]*text
	into  *text // what data lines are added to; nil drops them
	acks  int64 // data lines read
	raw   bool  // the session passes every byte
	env   []string
	step  *step

	earlier []int // the last steps, by pid

	late []int // streams that a step's processes hold after its end
	wake int   // readable when a signal came
	null int
	z    deflater
}

// running is the process group of the step under way, for the goroutine that
// ends it when this process has to end.
var running atomic.Int64

// leaving is set when this process has to end. It then begins no step, and says
// of none how it ended: the next one would be sent to a server that is gone.
var leaving atomic.Bool

// When it is started with the name of the directory that it is in, it removes
// itself with the directory: nothing remains however it ends.
func main() {
	if len(os.Args) > 1 {
		_ = syscall.Unlink(os.Args[0])
		_ = syscall.Rmdir(os.Args[1])
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	s := &server{texts: map[string]*text{}, env: syscall.Environ()}
	var err error
	if s.null, err = syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != nil {
		quit(1)
	}
	s.wake = signals()
	for {
		s.turn()
	}
}

// signals returns a descriptor that is readable after a signal. A step's shell
// starts with the signals as they are by default, since these have handlers.
func signals() int {
	var p [2]int
	if syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		quit(1)
	}
	came := make(chan os.Signal, 64)
	signal.Notify(came, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGTSTP,
		syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGHUP, syscall.SIGTERM)
	go func() {
		for sig := range came {
			if sig == syscall.SIGHUP || sig == syscall.SIGTERM {
				quit(1) // here, because the server may be in a write that does not return
			}
			_, _ = syscall.Write(p[1], []byte{0}) // a full pipe is readable
		}
	}()
	return p[0]
}

// quit ends the server and, when the session has ended, the step with it.
func quit(code int) {
	leaving.Store(true)
	if group := int(running.Load()); group > 0 {
		_ = syscall.Kill(-group, syscall.SIGTERM)
		time.Sleep(500 * time.Millisecond)
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	os.Exit(code)
}

// turn waits until there is something to do, and does it.
func (s *server) turn() {
	ready := s.wait()
	if ready.read(s.wake) {
		_, _ = syscall.Read(s.wake, make([]byte, 256))
	}
	if ready.read(0) && !leaving.Load() {
		s.input()
	}
	s.dropLate(ready)
	if s.step != nil {
		s.step.pass(ready)
		s.send(ready.any)
	}
	s.reap()
}

// send frames what a step has written: a little output waits a moment for more,
// a lot goes at once.
func (s *server) send(more bool) {
	now := time.Now()
	for _, st := range s.step.outputs() {
		for len(st.buf) >= 16384 {
			s.frame(st)
		}
		if len(st.buf) > 0 && (!more || now.Sub(st.since) >= moment) {
			s.frame(st)
		}
	}
}

// moment is how long a little output waits for more.
const moment = 10 * time.Millisecond

// dropLate reads and drops what a finished step's processes still write.
func (s *server) dropLate(ready *selected) {
	kept := s.late[:0]
	for _, fd := range s.late {
		if ready.read(fd) {
			if n, err := syscall.Read(fd, make([]byte, 65536)); n == 0 && err == nil {
				syscall.Close(fd)
				continue
			}
		}
		kept = append(kept, fd)
	}
	s.late = kept
}

// reap takes all ended children: the step's own, and those that it has left.
func (s *server) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
		if s.step != nil && s.step.pid == pid {
			if leaving.Load() {
				os.Exit(1)
			}
			s.finish(status)
		}
	}
}
