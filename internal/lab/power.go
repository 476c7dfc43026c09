package lab

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// isOnline reports whether sessions can be started on the node.
func (n *node) isOnline() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.power == powerOn
}

func (n *node) pingStatus() string {
	if n.isOnline() {
		return "Online"
	}
	return "ConnectionLost"
}

// boot returns the id of the node's current boot.
func (n *node) boot() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bootID
}

// schedule makes the node go down after a delay, and come back after its reboot
// time when next is powerRebooting. A later call replaces an earlier one.
func (n *node) schedule(next power, delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.power != powerOn {
		return
	}
	n.stopTimerLocked()
	n.timer = time.AfterFunc(delay, func() { n.goDown(next) })
}

// unschedule cancels what schedule announced, if it has not happened yet.
func (n *node) unschedule() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.power == powerOn {
		n.stopTimerLocked()
	}
}

func (n *node) stopTimer() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.power = powerOff
	n.stopTimerLocked()
	n.disarmLocked()
}

func (n *node) stopTimerLocked() {
	if n.timer != nil {
		n.timer.Stop()
		n.timer = nil
	}
}

// goDown cuts the node's sessions and kills everything that it runs.
func (n *node) goDown(next power) {
	n.mu.Lock()
	if n.power != powerOn {
		n.mu.Unlock()
		return
	}
	n.power = next
	n.disarmLocked()
	if next == powerRebooting {
		d := n.spec.RebootTime
		if d <= 0 {
			d = defaultRebootTime
		}
		n.timer = time.AfterFunc(d, n.comeUp)
	}
	n.mu.Unlock()

	n.lab.log.Info("lab node goes down", "node", n.name, "reboots", next == powerRebooting)
	n.lab.sessions.endOn(n)
	n.lab.nursery.killNode(n)
}

// comeUp starts the node again: a new boot id, and its enabled units run.
func (n *node) comeUp() {
	// What slipped in between the sessions' end and now belongs to the old boot.
	n.lab.nursery.killNode(n)
	n.mu.Lock()
	if n.power != powerRebooting {
		n.mu.Unlock()
		return
	}
	n.bootID = newUUID()
	n.booted = time.Now()
	n.mu.Unlock()

	if err := n.startUnits(); err != nil {
		n.lab.log.Warn("lab node starts without its units", "node", n.name, "error", err)
	}
	if err := n.writeBoot(); err != nil {
		n.lab.log.Warn("lab node cannot note its boot", "node", n.name, "error", err)
	}

	n.mu.Lock()
	if n.power == powerRebooting {
		n.power = powerOn
		n.timer = nil
	}
	n.mu.Unlock()
}

// writeBoot notes id and time of the boot where shims and commands can read
// them.
func (n *node) writeBoot() error {
	n.mu.Lock()
	id, at := n.bootID, n.booted
	n.mu.Unlock()
	if err := n.write("state/boot_id", id+"\n", 0o644); err != nil {
		return err
	}
	return n.write("state/boot_time", strconv.FormatInt(at.Unix(), 10)+"\n", 0o644)
}

// startUnits is what systemd does at boot: enabled units run, others do not.
func (n *node) startUnits() error {
	entries, err := fs.ReadDir(n.root.FS(), unitsDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := n.root.ReadFile(path.Join(unitsDir, e.Name()))
		if err != nil {
			return err
		}
		enabled := "disabled"
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			enabled = fields[1]
		}
		state := "inactive"
		if enabled == "enabled" {
			state = "active"
		}
		if err := n.writeUnit(e.Name(), state, enabled); err != nil {
			return err
		}
	}
	return nil
}

// writeUnit sets a unit's state; the file is what the systemctl shim reads:
// active state, enabled state, and the time of the last change.
func (n *node) writeUnit(name, state, enabled string) error {
	if !strings.Contains(name, ".") {
		name += ".service"
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	return n.write(path.Join(unitsDir, name), state+" "+enabled+" "+now+"\n", 0o644)
}
