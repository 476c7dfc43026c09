package lab

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nodeMark is the environment variable that says which lab and node a process
// belongs to: LAB/NODE-ID.
const nodeMark = "SSMRUN_LAB_NODE"

// census finds the processes that nodes started, wherever they went.
//
// While a lab runs, the program is a child subreaper: a process whose parent
// ends becomes its child, so everything that a node started stays below. A
// process belongs to a node when it descends from one of the nursery's
// children; an orphan belongs to the node in its environment, to the node that
// it was seen under before, or to the node whose directory it is in. One that
// shed all of that still has no_new_privs, which it cannot lose, and which no
// other child of this program has: it belongs to the lab.
type census struct {
	n         *nursery
	confined  bool // this program has no_new_privs itself: the last mark says nothing
	chld      chan os.Signal
	quit      chan struct{}
	seenMu    sync.Mutex
	seen      map[int]resident // guarded by seenMu: as of the last look
	subreaper bool
}

// resident is a process that belongs to the lab.
type resident struct {
	pid     int
	started uint64
	node    *node // nil: not known which
}

// running counts the labs of this program: subreaping is a property of the
// whole process, and an unmarked orphan can only be told when there is one lab.
var running atomic.Int32

func openCensus(n *nursery) *census {
	c := &census{
		n:    n,
		chld: make(chan os.Signal, 1),
		quit: make(chan struct{}),
		seen: make(map[int]resident),
	}
	c.confined = confined("/proc/thread-self/status")
	running.Add(1)
	c.subreaper = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == nil
	signal.Notify(c.chld, syscall.SIGCHLD)
	n.work.Go(c.reapOrphans)
	return c
}

func (c *census) close() {
	signal.Stop(c.chld)
	close(c.quit)
	c.reapOnce()
	if running.Add(-1) == 0 && c.subreaper {
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	}
}

// orphanPause is how long orphans may stay zombies: looking for them reads all of
// /proc on kernels that do not list children.
const orphanPause = 5 * time.Second

// reapOrphans takes the exit status of orphans now and then: they are
// nobody else's to wait for.
func (c *census) reapOrphans() {
	for {
		select {
		case <-c.chld:
		case <-c.quit:
			return
		}
		select {
		case <-time.After(orphanPause):
			c.reapOnce()
		case <-c.quit:
			return
		}
	}
}

func (c *census) reapOnce() {
	for _, pid := range ownChildren() {
		stat, ok := readStat(pid)
		if !ok || stat.state != 'Z' {
			continue
		}
		c.n.mu.Lock()
		if c.n.children[pid] == nil && c.knownZombie(stat) {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		c.n.mu.Unlock()
	}
}

// knownZombie reports whether a dead child is an orphan of this lab. A zombie
// has no environment any more.
func (c *census) knownZombie(s procStat) bool {
	c.seenMu.Lock()
	r, ok := c.seen[s.pid]
	c.seenMu.Unlock()
	return ok && r.started == s.started || c.unmarked(s.pid)
}

// unmarked reports whether a child of this program that is not the nursery's is
// of the lab by its privileges alone.
func (c *census) unmarked(pid int) bool {
	return !c.confined && running.Load() == 1 && confined(filepath.Join("/proc", strconv.Itoa(pid), "status"))
}

// residents lists the living processes of the lab.
func (c *census) residents() []resident {
	all := readAllStats()
	c.n.mu.Lock()
	roots := make(map[int]*node, len(c.n.children))
	for pid, p := range c.n.children {
		roots[pid] = p.node
	}
	c.n.mu.Unlock()

	type verdict struct {
		node *node
		ours bool
	}
	self := os.Getpid()
	known := make(map[int]verdict, len(all))
	var judge func(pid int) verdict
	judge = func(pid int) verdict {
		if v, ok := known[pid]; ok {
			return v
		}
		known[pid] = verdict{} // ends a cycle, which pids that changed hands could make
		var v verdict
		if n, ok := roots[pid]; ok {
			v = verdict{n, true}
		} else if s, ok := all[pid]; ok && s.parent == self {
			v.node, v.ours = c.orphan(s)
		} else if ok && s.parent > 1 {
			v = judge(s.parent)
		}
		known[pid] = v
		return v
	}
	c.seenMu.Lock()
	before := c.seen
	c.seenMu.Unlock()
	var out []resident
	seen := make(map[int]resident)
	for pid, s := range all {
		v := judge(pid)
		// What was the lab's is, even if it lost its parent while /proc was read.
		if r, ok := before[pid]; ok && r.started == s.started && !v.ours {
			v = verdict{r.node, true}
		}
		if v.ours {
			r := resident{pid, s.started, v.node}
			seen[pid] = r
			if s.state != 'Z' && s.state != 'X' {
				out = append(out, r)
			}
		}
	}
	c.seenMu.Lock()
	c.seen = seen
	c.seenMu.Unlock()
	return out
}

// orphan says whether a child of this program that the nursery did not start is
// of the lab, and of which node.
func (c *census) orphan(s procStat) (*node, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(s.pid))
	if environ, err := os.ReadFile(filepath.Join(dir, "environ")); err == nil {
		for v := range bytes.SplitSeq(environ, []byte{0}) {
			if mark, ok := bytes.CutPrefix(v, []byte(nodeMark+"=")); ok {
				lab, id, _ := strings.Cut(string(mark), "/")
				if lab != c.n.lab.id {
					return nil, false
				}
				return c.n.lab.byID[id], true
			}
		}
	}
	c.seenMu.Lock()
	r, ok := c.seen[s.pid]
	c.seenMu.Unlock()
	if ok && r.started == s.started {
		return r.node, true
	}
	if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil {
		for _, n := range c.n.lab.nodes {
			if n.dir != "" && (cwd == n.dir || strings.HasPrefix(cwd, n.dir+"/")) {
				return n, true
			}
		}
	}
	return nil, c.unmarked(s.pid)
}

func (n *nursery) count() int { return len(n.census.residents()) }

// killAll kills every process of the lab and returns how many are left.
func (n *nursery) killAll() int {
	return n.killUntilGone(func(resident) bool { return true })
}

// killNode kills every process that is known to be of the node.
func (n *nursery) killNode(target *node) {
	n.killUntilGone(func(r resident) bool { return r.node == target })
}

// killUntilGone kills and looks again until nothing is left, because what is
// killed may have forked in between. It looks twice: one look is not of one
// moment, and may miss what loses its parent meanwhile.
func (n *nursery) killUntilGone(which func(resident) bool) int {
	deadline := time.Now().Add(5 * time.Second)
	empty := 0
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := 0
		for _, r := range n.census.residents() {
			if which(r) {
				left++
				killExactly(r)
			}
		}
		if left == 0 {
			empty++
		} else {
			empty = 0
		}
		if empty == 2 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// killTree kills p, its descendants and its session.
func (n *nursery) killTree(p *process) {
	all := readAllStats()
	below := func(pid int) bool {
		for range len(all) {
			s, ok := all[pid]
			switch {
			case pid == p.pid || ok && s.session == p.pid:
				return true
			case !ok || s.parent <= 1:
				return false
			}
			pid = s.parent
		}
		return false
	}
	for _, r := range n.census.residents() {
		if below(r.pid) {
			killExactly(r)
		}
	}
	n.signal(p, syscall.SIGKILL)
}

// killExactly kills r unless its pid has been given to another process since it
// was seen: the pidfd is opened first and the start time compared after.
func killExactly(r resident) {
	fd, err := unix.PidfdOpen(r.pid, 0)
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		return
	}
	if s, ok := readStat(r.pid); ok && s.started == r.started {
		if err == nil {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		} else {
			unix.Kill(r.pid, unix.SIGKILL)
		}
	}
	if err == nil {
		unix.Close(fd)
	}
}
