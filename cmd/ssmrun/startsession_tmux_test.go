//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// pane is a shell in a terminal multiplexer, whose screen can be read as a
// person sees it.
type pane struct {
	t      *testing.T
	socket string
	served *servedLab
	before string // the terminal's modes
}

// newPane skips the test where tmux is not installed. Its shell has a prompt
// that no remote shell has.
func newPane(t *testing.T, agent string) *pane {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux")
	}
	dir, served := attendedLabWith(t, agent)
	p := &pane{t: t, socket: filepath.Join(dir, "t"), served: served}
	cmd := p.command("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "env", "PS1=here> ", "sh")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), served.environ...)
	cmd.Env = append(cmd.Env, "TERM=screen", "ENV=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", p.screen())
		}
		p.tmux("kill-server")
	})
	p.see("^here> $")
	p.before = p.modes("0")
	return p
}

func (p *pane) command(args ...string) *exec.Cmd {
	return exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil {
		p.t.Errorf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p *pane) screen() string { return p.tmux("capture-pane", "-p") }

// see waits until a line of the screen matches.
func (p *pane) see(pattern string) {
	p.t.Helper()
	line := regexp.MustCompile("(?m)" + pattern)
	waitFor(p.t, "the screen to show "+pattern, func() bool {
		return line.MatchString(strings.ReplaceAll(p.screen(), "here>\n", "here> \n"))
	})
}

// typed enters text and keys, named as tmux names them.
func (p *pane) typed(text string, keys ...string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", text)
	if len(keys) > 0 {
		p.tmux(append([]string{"send-keys"}, keys...)...)
	}
}

// modes asks the local shell for the terminal's modes; mark tells the answers
// apart.
func (p *pane) modes(mark string) string {
	p.t.Helper()
	p.typed("clear; echo modes"+mark+"=$(stty -g)=", "Enter")
	answer := regexp.MustCompile("(?m)^modes" + mark + "=([0-9a-f:]+)=$")
	var modes string
	waitFor(p.t, "the terminal's modes", func() bool {
		// A narrow screen folds them.
		m := answer.FindStringSubmatch(p.tmux("capture-pane", "-pJ"))
		if m == nil {
			return false
		}
		modes = m[1]
		return true
	})
	return modes
}

// attend starts a shell on the node and waits for its prompt.
func (p *pane) attend() {
	p.t.Helper()
	p.typed("clear; ssmrun start-session --target i-00000000000000001 --reason "+attendedReason, "Enter")
	p.see(`^\$ $|^\$$`)
}

// signal sends a signal to start-session, from elsewhere.
func (p *pane) signal(number syscall.Signal) {
	p.t.Helper()
	shell, err := strconv.Atoi(strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_pid}")))
	if err != nil {
		p.t.Fatal(err)
	}
	below := descendants(shell)
	if len(below) != 1 {
		p.t.Fatalf("processes %v run in the pane, want start-session alone", below)
	}
	if err := syscall.Kill(below[0], number); err != nil {
		p.t.Fatal(err)
	}
}

// back is the local shell again, with the exit code and the modes that it had.
func (p *pane) back(mark string, code int) {
	p.t.Helper()
	p.see("^here> ")
	p.typed("echo code=$?=", "Enter")
	p.see(fmt.Sprintf("code=%d=$", code))
	if after := p.modes(mark); after != p.before {
		p.t.Errorf("the terminal's modes were %s and are %s", p.before, after)
	}
	p.served.noSessionLeft(p.t)
}

// TestSessionInATerminalMultiplexer is what a person does all day: an editor
// that fills the screen, a window that changes, keys that are signals, and
// every way out.
func TestSessionInATerminalMultiplexer(t *testing.T) {
	p := newPane(t, quickAgent)
	p.attend()

	editor := "vim -u NONE -N"
	if _, err := exec.LookPath("vim"); err != nil {
		editor = "vi"
	}
	if _, err := exec.LookPath(strings.Fields(editor)[0]); err == nil {
		p.typed("cd; "+editor+" note", "Enter")
		p.see("^~")
		p.typed("i")
		p.typed("first line", "Enter")
		p.typed("second", "Escape")
		p.see("^second")
		p.tmux("resize-window", "-x", "80", "-y", "20")
		waitFor(t, "the editor to have the new size", func() bool {
			p.typed(":set lines?", "Enter")
			return strings.Contains(p.screen(), "lines=20")
		})
		p.typed(":wq", "Enter")
		p.see(`^\$`)
		p.typed("clear; cat note; stty size", "Enter")
		p.see("first line$")
		p.see("20 80$")
	}

	p.tmux("resize-window", "-x", "90", "-y", "25")
	p.typed("clear; until stty size | grep '^25 90'; do sleep 0.05; done", "Enter")
	p.see("25 90$")

	for _, c := range []struct {
		key, shown string
		code       int
	}{{"C-c", `\^C`, 130}, {`C-\`, `\^\\`, 131}} {
		p.typed(fmt.Sprintf("sh -c 'echo $((6 * %d)); exec sleep 300'", c.code), "Enter")
		p.see(fmt.Sprintf("%d$", 6*c.code))
		p.typed("", c.key)
		p.see(c.shown)
		p.typed("echo code=$?=", "Enter")
		p.see(fmt.Sprintf("code=%d=$", c.code))
	}

	p.typed("exit", "Enter")
	p.see("^Exiting session")
	p.back("1", 0)
}

// TestEveryWayOutOfASessionGivesTheTerminalBack: the end that the remote shell,
// the service or a signal makes.
func TestEveryWayOutOfASessionGivesTheTerminalBack(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("start-session is found in /proc")
	}
	for _, c := range []struct {
		name string
		code int
		end  func(p *pane)
	}{
		{"ctrl-d", 0, func(p *pane) { p.typed("", "C-d") }},
		{"the remote shell is killed", 0, func(p *pane) { p.typed("kill -9 $$", "Enter") }},
		{"the service terminates it", 0, func(p *pane) { p.served.endSessions(p.t, 1) }},
		{"TERM", 143, func(p *pane) { p.signal(syscall.SIGTERM) }},
		{"HUP", 129, func(p *pane) { p.signal(syscall.SIGHUP) }},
		{"INT is a key", 0, func(p *pane) {
			p.signal(syscall.SIGINT)
			p.see(`\^C\s+\$`) // the next prompt
			p.typed("exit", "Enter")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPane(t, quickAgent)
			p.attend()
			c.end(p)
			p.back("1", c.code)
		})
	}
}
