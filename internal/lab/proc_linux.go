package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// procStat is what /proc/PID/stat says (proc_pid_stat(5)).
type procStat struct {
	pid     int
	state   byte
	parent  int
	session int
	started uint64 // clock ticks since the machine's boot: with pid, it names a process
}

func readStat(pid int) (procStat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	// The second field is the program's name in parentheses, which may hold
	// anything, also a parenthesis.
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[max(end+1, 0):]))
	if end < 0 || len(fields) < 20 {
		return procStat{}, false
	}
	s := procStat{pid: pid, state: fields[0][0]}
	s.parent, _ = strconv.Atoi(fields[1])
	s.session, _ = strconv.Atoi(fields[3])
	s.started, _ = strconv.ParseUint(fields[19], 10, 64)
	return s, true
}

func readAllStats() map[int]procStat {
	all := make(map[int]procStat)
	dir, err := os.Open("/proc")
	if err != nil {
		return all
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if s, ok := readStat(pid); ok {
				all[pid] = s
			}
		}
	}
	return all
}

// ownChildren lists the children of this program: of each of its threads where
// the kernel tells (CONFIG_PROC_CHILDREN), from all processes otherwise.
func ownChildren() []int {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	var pids []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if len(files) > 0 {
		return pids
	}
	self := os.Getpid()
	for pid, s := range readAllStats() {
		if s.parent == self {
			pids = append(pids, pid)
		}
	}
	return pids
}

// confined reports whether a status file of /proc says no_new_privs.
func confined(status string) bool {
	text, err := os.ReadFile(status)
	return err == nil && bytes.Contains(text, []byte("\nNoNewPrivs:\t1\n"))
}
