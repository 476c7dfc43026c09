package lab

import (
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// nodeFaults is what happens to a node as a whole, counted over all of its
// sessions.
type nodeFaults struct {
	sessions           int // started so far
	reboot, dies, hang tally
	clocks             []*time.Timer
	armed              bool // clocks run
}

func newNodeFaults(f hclspec.Faults) nodeFaults {
	return nodeFaults{reboot: tally{when: f.Reboot}, dies: tally{when: f.AgentDies}, hang: tally{when: f.AgentHangs}}
}

// begin counts a session and returns its number. With the first one since the
// agent started the clocks of what happens by the clock begin to run.
func (n *node) begin() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := &n.trouble
	f.sessions++
	if !f.armed {
		f.armed = true
		n.armLocked(&f.reboot, func() { n.schedule(powerRebooting, 0) })
		n.armLocked(&f.dies, func() { n.loseAgent(false) })
		n.armLocked(&f.hang, func() { n.loseAgent(true) })
	}
	return f.sessions
}

func (n *node) armLocked(t *tally, strike func()) {
	if !t.timed() {
		return
	}
	n.trouble.clocks = append(n.trouble.clocks, time.AfterFunc(t.when.Time, func() {
		n.mu.Lock()
		due := n.power == powerOn && t.struck()
		n.mu.Unlock()
		if due {
			strike()
		}
	}))
}

// disarmLocked stops the clocks; the next session starts them anew.
func (n *node) disarmLocked() {
	for _, timer := range n.trouble.clocks {
		timer.Stop()
	}
	n.trouble.clocks, n.trouble.armed = nil, false
}

// passed counts a frame on any of the node's data channels, and lets happen what
// is due with it.
func (n *node) passed(size int) {
	n.mu.Lock()
	f := &n.trouble
	var reboots, dies, hangs bool
	if n.power == powerOn {
		reboots, dies, hangs = f.reboot.count(size), f.dies.count(size), f.hang.count(size)
	}
	n.mu.Unlock()
	switch {
	case reboots:
		n.schedule(powerRebooting, 0)
	case dies:
		n.loseAgent(false)
	case hangs:
		n.loseAgent(true)
	}
}

// loseAgent makes the node's agent end, and its sessions with it, or hang, and its
// sessions say nothing any more. It starts again after agent_back, if that is
// set.
func (n *node) loseAgent(hangs bool) {
	n.mu.Lock()
	if n.power != powerOn {
		n.mu.Unlock()
		return
	}
	n.power = powerNoAgent
	n.stopTimerLocked()
	n.disarmLocked()
	if back := n.faults.AgentBack; back > 0 {
		n.timer = time.AfterFunc(back, n.agentStarts)
	}
	n.mu.Unlock()

	n.lab.log.Info("lab agent is lost", "node", n.name, "hangs", hangs)
	for _, s := range n.lab.sessions.list(true) {
		switch {
		case s.node != n:
		case hangs:
			s.hung.Store(true)
		default:
			s.cancel()
		}
	}
}

// agentStarts ends the sessions that a hung agent kept, and takes new ones.
func (n *node) agentStarts() {
	for _, s := range n.lab.sessions.list(true) {
		if s.node == n {
			s.hung.Store(false)
			s.cancel()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.power == powerNoAgent {
		n.power = powerOn
		n.timer = nil
	}
}
