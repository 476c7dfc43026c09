package shell

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// run is a step under way.
type run struct {
	server *server
	number string // of the step on the wire
	began  chan struct{}
	end    chan ending   // capacity 1
	alive  chan struct{} // capacity 1: the server said something

	out     sync.Mutex // held while the step's writers are called, so that detach can wait for the last call
	gone    bool       // Run has returned: no more writes; under out
	streams [2]*stream // stdout, stderr; under out

	// Touched only by the session's goroutine.
	startedAt time.Time
	code      string // exit code from the sh server's own line

	taken atomic.Int64  // lines of live input that the step has got
	room  chan struct{} // capacity 1: taken has grown

	exited  chan struct{} // capacity 1: the end came before a stream's totals
	pending *Result       // that end; under out
}

// ending is what the server said when the step had ended, or why it was not
// started.
type ending struct {
	refused error
	lost    error
	result  Result
}

// message takes a line about a step from its server.
func (r *run) message(m message) {
	verb := m.verb
	if n := m.field(); n != r.number {
		return
	}
	wake(r.alive)
	switch verb {
	case "B":
		if r.startedAt.IsZero() {
			r.startedAt = time.Now()
			close(r.began)
		}
	case "F":
		r.finish(ending{refused: fmt.Errorf("the step server said: %s", m.rest)})
	case "I":
		if n, ok := m.number(); ok {
			r.taken.Store(n)
			wake(r.room)
		}
	case "Y":
		r.code = m.field()
	case "X":
		r.exit(m)
	default:
		r.output(verb, m)
	}
}

// output takes a line of a stream: o and e continue a frame, O and E end it,
// T has a stream's totals.
func (r *run) output(verb string, m message) {
	r.out.Lock()
	defer r.out.Unlock()
	if r.gone {
		return
	}
	switch verb {
	case "o":
		r.streams[0].piece(m.rest)
	case "e":
		r.streams[1].piece(m.rest)
	case "O":
		r.streams[0].frame(m)
	case "E":
		r.streams[1].frame(m)
	case "T":
		switch m.field() {
		case "O":
			r.streams[0].total(m)
		case "E":
			r.streams[1].total(m)
		}
		if r.pending != nil && r.streams[0].totalled && r.streams[1].totalled {
			r.deliver()
		}
	}
}

// exit takes the end of the step: exit code, signal, whether its state was
// saved, microseconds, whether it was cancelled, escaped, held.
func (r *run) exit(m message) {
	word := m.field()
	if word == "-" {
		word = r.code
	}
	code, err := strconv.Atoi(word)
	if err != nil {
		r.finish(ending{lost: errors.New("what ran the step on the target was killed")})
		return
	}
	var n [6]int64
	for i := range n {
		n[i], _ = m.number()
	}
	// ksh93 and yash have signals apart from exit codes.
	if code > 384 {
		n[0], code = int64(code-384), code-256
	} else if code > 256 {
		n[0], code = int64(code-256), code-128
	}
	took := time.Duration(n[2]) * time.Microsecond
	if took <= 0 && !r.startedAt.IsZero() {
		took = time.Since(r.startedAt)
	}
	r.out.Lock()
	defer r.out.Unlock()
	r.pending = &Result{
		ExitCode:   code,
		Signal:     signalName(int(n[0])),
		StateSaved: n[1] == 1,
		Duration:   took,
		Cancelled:  n[3] == 1,
		Escaped:    n[4] == 1,
		Held:       n[5] == 1,
	}
	if r.streams[0].totalled && r.streams[1].totalled {
		r.deliver()
		return
	}
	// Not every shell waits for all of a pipeline: the totals may be on
	// their way.
	wake(r.exited)
}

// writing reports whether a writer of the step is holding the session back: the
// server's silence says nothing then.
func (r *run) writing() bool {
	if r.out.TryLock() {
		r.out.Unlock()
		return false
	}
	return true
}

// settle makes do without totals that have not come.
func (r *run) settle() {
	r.out.Lock()
	defer r.out.Unlock()
	if r.pending != nil {
		r.deliver()
	}
}

// deliver gives the result to who waits for it; r.out is held.
func (r *run) deliver() {
	res := *r.pending
	r.pending = nil
	res.Stdout, res.Stderr = r.streams[0].result(), r.streams[1].result()
	r.finish(ending{result: res})
}

func (r *run) finish(e ending) {
	select {
	case r.end <- e:
	default:
	}
}

// signals are Linux's names by number.
var signals = [...]string{"", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
	"PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM",
	"PROF", "WINCH", "IO", "PWR", "SYS"}

func signalName(n int) string {
	if n > 0 && n < len(signals) {
		return signals[n]
	}
	if n != 0 {
		return strconv.Itoa(n)
	}
	return ""
}
