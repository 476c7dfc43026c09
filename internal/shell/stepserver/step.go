//go:build linux

package main

import (
	"strconv"
	"syscall"
	"time"
)

// Where a step's shell finds its script and prologue, and writes its state.
const (
	scriptFD   = 8
	prologueFD = 9
	stateFD    = 57
)

// Exit codes of a shell for a program that is not there, or cannot be executed.
const (
	notFound   = 127
	notStarted = 126
)

// step is a step under way.
type step struct {
	number string
	pid    int // and the process group; 0 when its shell could not be executed
	began  time.Time
	born   uint64 // as the process's own
	feeds  []*feed
	out    *stream
	err    *stream
	state  *stream
	killed bool // it was told to stop

	earlier []int // steps that may have begun in the same hundredth of a second, by pid
}

// feed is a text on its way to the step.
type feed struct {
	fd   int
	data []byte
}

func (p *step) outputs() [2]*stream { return [2]*stream{p.out, p.err} }

func (p *step) streams() [3]*stream { return [3]*stream{p.out, p.err, p.state} }

// want says what the step waits for, and whether output is held back.
func (p *step) want(sel *selected) (held bool) {
	for _, st := range p.streams() {
		if st.fd >= 0 {
			sel.wantRead(st.fd)
		}
		held = held || st.kind != "" && len(st.buf) > 0
	}
	for _, f := range p.feeds {
		sel.wantWrite(f.fd)
	}
	return held
}

// pass moves the step's bytes.
func (p *step) pass(ready *selected) {
	kept := p.feeds[:0]
	for _, f := range p.feeds {
		if ready.write(f.fd) {
			n, err := syscall.Write(f.fd, f.data[:min(65536, len(f.data))])
			if err == syscall.EPIPE {
				n = len(f.data)
			}
			f.data = f.data[max(0, n):]
			if len(f.data) == 0 {
				syscall.Close(f.fd)
				continue
			}
		}
		kept = append(kept, f)
	}
	p.feeds = kept
	for _, st := range p.streams() {
		if ready.read(st.fd) {
			st.take()
		}
	}
}

// start runs the step whose texts have come, with a shell that is the given
// words.
func (s *server) start(number string, words []string) {
	for _, name := range []string{"W", "S", "I"} {
		if t := s.texts[name]; t == nil && name != "I" || t != nil && !t.whole {
			s.say("F " + number + " upload")
			return
		}
	}
	if len(words) == 0 {
		s.say("F " + number + " no shell")
		return
	}
	p, code, why := s.launch(words)
	s.texts = map[string]*text{}
	if why != "" {
		s.say("F " + number + " " + why)
		return
	}
	p.number = number
	p.earlier = s.earlier
	s.earlier = append(s.earlier[max(0, len(s.earlier)-15):len(s.earlier):len(s.earlier)], p.pid)
	s.step = p
	running.Store(int64(p.pid))
	s.say("B " + number + " " + strconv.Itoa(p.pid))
	if p.pid == 0 {
		s.conclude(code, 0)
	}
}

// launch makes the step's pipes and its first process. When the shell cannot be
// executed the step has that as its standard error, and the code of its end.
func (s *server) launch(words []string) (p *step, code int, why string) {
	var pipes [6][2]int // W, S, I, stdout, stderr, state
	for i := range pipes {
		if err := syscall.Pipe2(pipes[i][:], syscall.O_CLOEXEC); err != nil {
			closeAll(pipes[:i])
			return nil, 0, "pipe: " + err.Error()
		}
	}
	p = &step{began: time.Now()}
	argv := append(append([]string{}, words...), "-c", ". /dev/fd/9", words[0])
	pid, err := syscall.ForkExec(s.program(words[0]), argv, &syscall.ProcAttr{
		Env: s.env, Files: s.files(pipes), Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err == syscall.EAGAIN || err == syscall.ENOMEM {
		closeAll(pipes[:])
		return nil, 0, "fork: " + err.Error()
	}
	for i, name := range []string{"W", "S", "I"} {
		syscall.Close(pipes[i][0])
		if t := s.texts[name]; t != nil && len(t.data) > 0 && err == nil {
			p.feeds = append(p.feeds, &feed{nonblock(pipes[i][1]), t.data})
		} else {
			syscall.Close(pipes[i][1])
		}
	}
	for _, pair := range pipes[3:] {
		syscall.Close(pair[1])
	}
	p.out = &stream{kind: "O", fd: nonblock(pipes[3][0])}
	p.err = &stream{kind: "E", fd: nonblock(pipes[4][0])}
	p.state = &stream{fd: nonblock(pipes[5][0])}
	if err == nil {
		p.pid = pid
		first, _ := processOf(strconv.Itoa(pid))
		p.born = first.born
		return p, 0, ""
	}
	p.err.buf = []byte("ssmrun: " + words[0] + ": " + err.Error() + "\n")
	if err == syscall.ENOENT {
		return p, notFound, ""
	}
	return p, notStarted, ""
}

// files are the descriptors of a step's first process.
func (s *server) files(pipes [6][2]int) []uintptr {
	files := make([]uintptr, stateFD+1)
	for i := range files {
		files[i] = ^uintptr(0) // closed
	}
	files[0] = uintptr(s.null)
	if s.texts["I"] != nil {
		files[0] = uintptr(pipes[2][0])
	}
	files[1], files[2] = uintptr(pipes[3][1]), uintptr(pipes[4][1])
	files[prologueFD], files[scriptFD], files[stateFD] = uintptr(pipes[0][0]), uintptr(pipes[1][0]), uintptr(pipes[5][1])
	return files
}

func nonblock(fd int) int {
	_ = syscall.SetNonblock(fd, true)
	return fd
}

func closeAll(pipes [][2]int) {
	for _, p := range pipes {
		syscall.Close(p[0])
		syscall.Close(p[1])
	}
}
