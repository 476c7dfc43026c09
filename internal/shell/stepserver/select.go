//go:build linux

package main

import "syscall"

// selected is what select(2) is asked, and its answer.
type selected struct {
	r, w syscall.FdSet
	most int
	any  bool
}

const wordBits = 64

func (s *selected) wantRead(fd int) {
	s.r.Bits[fd/wordBits] |= 1 << (fd % wordBits)
	s.most = max(s.most, fd)
}

func (s *selected) wantWrite(fd int) {
	s.w.Bits[fd/wordBits] |= 1 << (fd % wordBits)
	s.most = max(s.most, fd)
}

func (s *selected) read(fd int) bool {
	return s.any && fd >= 0 && s.r.Bits[fd/wordBits]&(1<<(fd%wordBits)) != 0
}

func (s *selected) write(fd int) bool {
	return s.any && fd >= 0 && s.w.Bits[fd/wordBits]&(1<<(fd%wordBits)) != 0
}

// wait returns when a descriptor is ready or what is held back has to go.
func (s *server) wait() *selected {
	sel := &selected{}
	sel.wantRead(0)
	sel.wantRead(s.wake)
	for _, fd := range s.late {
		sel.wantRead(fd)
	}
	var timeout *syscall.Timeval
	if s.step != nil {
		if s.step.want(sel) {
			t := syscall.NsecToTimeval(int64(moment))
			timeout = &t
		}
	}
	n, err := syscall.Select(sel.most+1, &sel.r, &sel.w, nil, timeout)
	sel.any = n > 0 && err == nil
	return sel
}
