//go:build unix && !linux

package lab

import (
	"syscall"
	"time"
)

// census knows only the nursery's own children here: there is no portable way
// to find a process that left its session.
type census struct{}

// nodeMark is the environment variable that says which lab and node a process
// belongs to: LAB/NODE-ID.
const nodeMark = "SSMRUN_LAB_NODE"

func openCensus(*nursery) *census { return &census{} }

func (c *census) close() {}

func (n *nursery) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.children)
}

func (n *nursery) killAll() int { return n.killUntilGone(func(*process) bool { return true }) }

func (n *nursery) killNode(target *node) {
	n.killUntilGone(func(p *process) bool { return p.node == target })
}

func (n *nursery) killUntilGone(which func(*process) bool) int {
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := 0
		n.mu.Lock()
		for _, p := range n.children {
			if which(p) {
				left++
				syscall.Kill(-p.pid, syscall.SIGKILL)
			}
		}
		n.mu.Unlock()
		if left == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// killTree kills p and its process group.
func (n *nursery) killTree(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.children[p.pid] == p {
		syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}
