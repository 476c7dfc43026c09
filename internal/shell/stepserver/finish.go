//go:build linux

package main

import (
	"bytes"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxLate is how many streams of finished steps are read on; what holds more
// gets an error when it writes.
const maxLate = 32

// finish reports the end of the step's first process.
func (s *server) finish(status syscall.WaitStatus) {
	if status.Signaled() {
		s.conclude(128+int(status.Signal()), int(status.Signal()))
		return
	}
	s.conclude(status.ExitStatus(), 0)
}

func (s *server) conclude(code, signal int) {
	p := s.step
	took := time.Since(p.began)
	running.Store(0)
	for _, st := range p.streams() {
		s.drain(st)
	}
	escaped := p.killed && s.endGroup()
	held := false
	for _, st := range p.outputs() {
		for len(st.buf) > 0 {
			s.frame(st)
		}
		s.say("T " + p.number + " " + st.kind + " " + strconv.FormatInt(st.frames, 10) + " " +
			strconv.FormatInt(st.length, 10) + " " + strconv.FormatUint(uint64(st.sum), 10))
		if st.fd >= 0 {
			held = true
			s.late = append(s.late, st.fd)
		}
	}
	for len(s.late) > maxLate {
		syscall.Close(s.late[0])
		s.late = s.late[1:]
	}
	for _, f := range p.feeds {
		syscall.Close(f.fd)
	}
	if p.state.fd >= 0 {
		syscall.Close(p.state.fd)
	}
	s.step = nil
	words := []string{"X", p.number, strconv.Itoa(code), strconv.Itoa(signal), digit(s.save(p.state.buf)),
		strconv.FormatInt(took.Microseconds(), 10), digit(p.killed), digit(escaped || p.killed && held), digit(held)}
	s.say(strings.Join(words, " "))
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// endGroup ends what is left of a step that was told to stop, and reports
// whether something of it still runs.
func (s *server) endGroup() (escaped bool) {
	p := s.step
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	for range 10 {
		s.reap()
		if p.out.fd < 0 && p.err.fd < 0 && !p.left() {
			return false
		}
		time.Sleep(20 * time.Millisecond)
		s.drain(p.out)
		s.drain(p.err)
	}
	s.reap()
	return p.left()
}

// save takes the directory and the variables that the step's shell left.
func (s *server) save(state []byte) bool {
	state, whole := bytes.CutSuffix(state, []byte("_SSMRUN_END\n"))
	if !whole {
		return false
	}
	var env []string
	dir, found := "", false
	for entry := range strings.SplitSeq(string(state), "\x00") {
		name, value, ok := strings.Cut(entry, "=")
		switch {
		case !ok || name == "" || name == "_" || name == "OLDPWD" || name == "SHLVL":
		case name == "_SSMRUN_PWD":
			dir, found = value, true
		default:
			env = append(env, entry)
		}
	}
	if !found || syscall.Chdir(dir) != nil {
		return false
	}
	s.env = env
	return true
}

// program finds a program by the PATH that the steps have, and where that has
// been emptied by the server's own.
func (s *server) program(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	path := "/bin:/usr/bin" // as execvp(3) without PATH
	for _, v := range s.env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	own, _ := syscall.Getenv("PATH")
	const execute = 1
	for dir := range strings.SplitSeq(path+":"+own, ":") {
		if dir == "" {
			dir = "."
		}
		var info syscall.Stat_t
		file := dir + "/" + name
		if syscall.Stat(file, &info) == nil && info.Mode&syscall.S_IFMT == syscall.S_IFREG && syscall.Access(file, execute) == nil {
			return file
		}
	}
	return name + "/" + name // which is not there: ENOENT
}
