package lab

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// control is the pipes through which shims tell the lab that a node is to go
// down: one line, "reboot NODE SECONDS", "poweroff NODE SECONDS" or
// "cancel NODE". Every user that nodes run as has one of its own, so that none
// has to be open to others.
type control struct {
	lab   *Lab
	pipes []*os.File
}

func openControl(l *Lab) (*control, error) {
	c := &control{lab: l}
	for _, a := range l.nodeAccounts() {
		pipe, err := openFIFO(filepath.Join(l.dir, "bin", fmt.Sprintf("control.%d", a.uid)), a)
		if err != nil {
			c.close()
			return nil, err
		}
		c.pipes = append(c.pipes, pipe)
		l.work.Go(func() { c.read(pipe) })
	}
	return c, nil
}

// read obeys lines until the pipe is closed. A line is at most PIPE_BUF bytes,
// so those of two nodes do not mix.
func (c *control) read(pipe *os.File) {
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		c.obey(strings.Fields(lines.Text()))
	}
}

func (c *control) obey(words []string) {
	if len(words) < 2 {
		return
	}
	var target *node
	for _, n := range c.lab.nodes {
		if n.name == words[1] {
			target = n
		}
	}
	if target == nil {
		return
	}
	var delay time.Duration
	if len(words) > 2 {
		seconds, err := strconv.ParseUint(words[2], 10, 31)
		if err != nil {
			return
		}
		delay = time.Duration(seconds) * time.Second
	}
	switch words[0] {
	case "reboot":
		target.schedule(powerRebooting, delay)
	case "poweroff":
		target.schedule(powerOff, delay)
	case "cancel":
		target.unschedule()
	}
}

func (c *control) close() {
	for _, p := range c.pipes {
		p.Close()
	}
}

// nodeAccounts returns the users that nodes run as, each once.
func (l *Lab) nodeAccounts() []account {
	seen := make(map[account]bool)
	var all []account
	for _, n := range l.nodes {
		if !seen[n.account] {
			seen[n.account] = true
			all = append(all, n.account)
		}
	}
	return all
}
