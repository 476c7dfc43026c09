//go:build linux

package main

import (
	"bytes"
	"encoding/base64"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// text is one of a step's texts: W the prologue, S the script, I its input.
type text struct {
	data  []byte
	whole bool // its end came, with the right length and checksum
}

// input takes what the terminal has, and does what the lines say.
func (s *server) input() {
	buf := make([]byte, 65536)
	n, err := syscall.Read(0, buf)
	if err == syscall.EINTR || err == syscall.EAGAIN {
		return
	}
	if n <= 0 {
		quit(1)
	}
	s.in = append(s.in, buf[:n]...)
	rest := s.in
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			break
		}
		rest = after
		s.line(strings.TrimRight(string(line), "\r"))
	}
	s.in = append(s.in[:0], rest...)
}

// line takes a line of the terminal. The first with a nonce names it; after
// that all lines without it are somebody else's.
func (s *server) line(line string) {
	if s.nonce == "" {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "#N" {
			return
		}
		s.nonce = words[1]
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		s.out(append(appendRaw([]byte("@"+s.nonce+" 8 "), all), " 8=8\n"...))
		s.say("R v=1 server=static pid=" + strconv.Itoa(os.Getpid()) + " zlib=1")
		return
	}
	if command, ours := strings.CutPrefix(line, "#"+s.nonce+" "); ours {
		s.command(strings.Split(command, " "))
	}
}

func (s *server) command(words []string) {
	verb, args := words[0], append(words[1:], "", "", "")
	switch verb {
	case "D":
		s.data(args[0])
	case "P":
		if args[0] == "W" {
			s.texts = map[string]*text{}
		}
		s.into = &text{}
		s.texts[args[0]] = s.into
	case "E":
		s.end(args[0], args[1], args[2])
	case "X":
		if s.step != nil {
			s.say("F " + args[0] + " busy")
			return
		}
		s.start(args[0], words[min(2, len(words)):])
	case "K":
		if s.step != nil && s.step.number == args[0] {
			s.step.killed = true
			_ = syscall.Kill(-s.step.pid, signalNamed(args[1]))
		}
	case "p":
		s.say("p " + args[0])
	case "8":
		s.raw = true
	case "Q":
		quit(0)
	}
}

// data adds to the text under way. The client does not type further ahead than
// it is told that was read.
func (s *server) data(payload string) {
	if s.into != nil {
		s.into.data, _ = base64.StdEncoding.AppendDecode(s.into.data, []byte(payload)) // the text's checksum tells
	}
	s.acks++
	if s.acks%16 == 0 {
		s.say("A " + strconv.FormatInt(s.acks, 10))
	}
}

func (s *server) end(name, length, sum string) {
	s.into = nil
	t := s.texts[name]
	if t == nil {
		return
	}
	want, err := strconv.ParseUint(sum, 16, 32)
	t.whole = err == nil && strconv.Itoa(len(t.data)) == length && crc32.ChecksumIEEE(t.data) == uint32(want)
}

func signalNamed(name string) syscall.Signal {
	switch name {
	case "INT":
		return syscall.SIGINT
	case "TERM":
		return syscall.SIGTERM
	}
	return syscall.SIGKILL
}

// say writes one line. A terminal does not mix a line that is one write with
// what others write.
func (s *server) say(text string) { s.out([]byte("@" + s.nonce + " " + text + "\n")) }

func (s *server) out(b []byte) {
	for len(b) > 0 {
		n, err := syscall.Write(1, b)
		switch {
		case err == syscall.EAGAIN:
			sel := &selected{}
			sel.wantWrite(1)
			_, _ = syscall.Select(2, nil, &sel.w, nil, nil)
		case err == syscall.EINTR:
		case err != nil:
			quit(1)
		default:
			b = b[n:]
		}
	}
}
