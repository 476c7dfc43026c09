//go:build linux

package main

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// process is what /proc/PID/stat says (proc(5)).
type process struct {
	parent, group, session int
	zombie                 bool
	born                   uint64 // clock ticks since the boot, a hundredth of a second
}

func processOf(pid string) (p process, ok bool) {
	fields := strings.Fields(statOf(pid))
	if len(fields) < 20 {
		return p, false
	}
	p.zombie = fields[0] == "Z"
	p.parent, _ = strconv.Atoi(fields[1])
	p.group, _ = strconv.Atoi(fields[2])
	p.session, _ = strconv.Atoi(fields[3])
	p.born, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, true
}

// statOf returns what follows a process's name, which may have anything in it.
func statOf(pid string) string {
	fd, err := syscall.Open("/proc/"+pid+"/stat", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	buf := make([]byte, 4096)
	n, _ := syscall.Read(fd, buf)
	text := string(buf[:max(0, n)])
	return text[strings.LastIndexByte(text, ')')+1:]
}

// processes returns the names of the directories of all processes. Package os
// would do it too, and is a twentieth of the binary.
func processes() (pids []string) {
	fd, err := syscall.Open("/proc", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	buf := make([]byte, 32<<10)
	var names []string
	for {
		n, err := syscall.ReadDirent(fd, buf)
		if n <= 0 || err != nil {
			break
		}
		_, _, names = syscall.ParseDirent(buf[:n], -1, names)
	}
	for _, name := range names {
		if name[0] >= '1' && name[0] <= '9' {
			pids = append(pids, name)
		}
	}
	return pids
}

// left reports whether something of the step still runs: a process of its group,
// or one that left the group and lost its parent, so that it is this process's
// child now. One that an earlier step has left behind is older than this step, or
// if both are of the same moment, still in that step's session.
func (p *step) left() bool {
	all := processes()
	if len(all) == 0 {
		return syscall.Kill(-p.pid, 0) == nil
	}
	self := syscall.Getpid()
	for _, pid := range all {
		other, ok := processOf(pid)
		switch {
		case !ok || other.zombie:
		case other.group == p.pid:
			return true
		case other.parent == self && other.born >= p.born && !slices.Contains(p.earlier, other.session):
			return true
		}
	}
	return false
}
