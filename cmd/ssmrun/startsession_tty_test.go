//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// screen is start-session in a terminal of its own.
type screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	before *term.State
	served *servedLab

	mu   sync.Mutex // protects what follows
	text strings.Builder
	read int // how much of text expect has seen
}

// attend starts a session in a terminal of 40 by 120 and waits for the prompt.
// change may change the command before it starts.
func attend(t *testing.T, change func(*exec.Cmd), args ...string) *screen {
	t.Helper()
	dir, served := attendedLab(t)
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, slave: slave, served: served}
	s.resize(40, 120)
	if s.before, err = term.GetState(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	s.cmd = startSessionCommand(dir, served, args...)
	s.cmd.Env = append(s.cmd.Env, "TERM=xterm")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if change != nil {
		change(s.cmd)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(s.watch)
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
		slave.Close()
		reading.Wait()
		master.Close()
		if t.Failed() {
			t.Logf("the screen:\n%q", s.text.String())
		}
	})
	return s
}

func (s *screen) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return // the last slave was closed
		}
	}
}

// expect waits until the screen has shown what, after what was expected before.
func (s *screen) expect(what string) {
	s.t.Helper()
	waitFor(s.t, "the screen to show "+what, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := strings.Index(s.text.String()[s.read:], what)
		if i < 0 {
			return false
		}
		s.read += i + len(what)
		return true
	})
}

func (s *screen) enter(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) resize(rows, cols uint16) {
	s.t.Helper()
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		s.t.Fatal(err)
	}
}

// left checks how the program ended, and that the terminal is what it was.
func (s *screen) left(code int) {
	s.t.Helper()
	late := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	late.Stop()
	status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() || status.ExitStatus() != code {
		s.t.Errorf("ended as %v, want exit code %d", s.cmd.ProcessState, code)
	}
	s.modesAreBack()
	s.served.noSessionLeft(s.t)
	waitFor(s.t, "the node's processes to end", func() bool { return s.served.processes(s.t) == 0 })
}

func (s *screen) modesAreBack() {
	s.t.Helper()
	after, err := term.GetState(int(s.slave.Fd()))
	if err != nil {
		s.t.Fatal(err)
	}
	if !reflect.DeepEqual(s.before, after) {
		s.t.Errorf("the terminal's modes were %v and are %v", s.before, after)
	}
}

// sleeping is a command that says 42 when a key can interrupt it: what is typed
// while an interactive shell starts one may get lost, in a terminal too.
const sleeping = "sh -c 'echo $((6 * 7)); exec sleep 300'\r"

// TestShellInATerminal is a person at a shell: the size of the window, keys
// that are signals, and the way out.
func TestShellInATerminal(t *testing.T) {
	s := attend(t, nil)
	s.expect("Starting session with SessionId: ")
	s.expect("$ ")
	s.enter("stty size\r")
	s.expect("40 120")
	s.resize(50, 101)
	s.enter("until stty size | grep '50 101'; do sleep 0.05; done\r")
	s.expect("\n50 101")

	s.enter(sleeping)
	s.expect("42")
	s.enter("\x03")
	s.expect("$ ")
	s.enter("echo code=$?\r")
	s.expect("code=130")

	s.enter(sleeping)
	s.expect("42")
	s.enter("\x1c")
	s.expect("$ ")
	s.enter("echo code=$?\r")
	s.expect("code=131")

	s.enter(`sh -c 'trap "echo $((6 * 8))" CONT; echo $((6 * 7)); while :; do sleep 1; done'` + "\r")
	s.expect("42")
	s.enter("\x1a")
	s.expect("topped")
	s.expect("$ ")
	s.enter("fg\r")
	s.expect("48")
	s.enter("\x03")
	s.expect("$ ")
	s.enter("echo code=$?\r")
	s.expect("code=130")

	s.enter("exit 3\r")
	s.expect("Exiting session with sessionId: ")
	s.left(0) // a shell's exit code is not told
}

// TestSignalsRestoreTheTerminal: a signal that ends the program gives the
// terminal back and ends the session.
func TestSignalsRestoreTheTerminal(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skip("ignored, as nohup has it")
			}
			s := attend(t, nil)
			s.expect("$ ")
			s.enter(sleeping)
			s.expect("42")
			if !isRaw(t, s.slave) {
				t.Fatal("the terminal is not raw: the test would show nothing")
			}
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			s.left(code)
		})
	}
}

// TestSignalKeysGoToTheTarget: SIGINT from elsewhere is the key, as it is where
// the terminal is not raw.
func TestSignalKeysGoToTheTarget(t *testing.T) {
	s := attend(t, nil)
	s.expect("$ ")
	s.enter(sleeping)
	s.expect("42")
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.expect("$ ")
	s.enter("echo code=$?\r")
	s.expect("code=130")
	s.enter("\x04")
	s.left(0)
}

// TestCommandInATerminal: a command without a terminal of its own leaves ours
// as it is, so that Ctrl-C is a signal, which the command gets.
func TestCommandInATerminal(t *testing.T) {
	s := attend(t, nil, "--document-name", "AWS-StartNonInteractiveCommand",
		"--parameters", `command="sh -c 'echo begun; exec sleep 300'",separateOutputStream=true`)
	s.expect("begun\r\n")
	s.modesAreBack()
	s.enter("\x03")
	s.left(1) // what the agent says of a command that it interrupted
}

// TestNoBannerWithoutATerminalOnStdout: the terminal has the keys, the output
// goes elsewhere and is the session's alone.
func TestNoBannerWithoutATerminalOnStdout(t *testing.T) {
	var out strings.Builder
	s := attend(t, func(cmd *exec.Cmd) { cmd.Stdout = &out }, "--document-name", "AWS-StartInteractiveCommand",
		"--parameters", "command=printf alone")
	s.left(0)
	if out.String() != "alone" {
		t.Errorf("stdout has %q", out.String())
	}
}

// TestPanicRestoresTheTerminal panics where the session's goroutines do.
func TestPanicRestoresTheTerminal(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	s := &screen{t: t, slave: slave}
	if s.before, err = term.GetState(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	held := &terminal{in: slave, out: slave}
	if err := held.raw(); err != nil {
		t.Fatal(err)
	}
	if !isRaw(t, slave) {
		t.Fatal("the terminal is not raw: the test would show nothing")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		defer held.guard()
		panic("bug")
	}()
	s.modesAreBack()
}

// isRaw reports whether the terminal echoes nothing and makes no signals.
func isRaw(t *testing.T, f *os.File) bool {
	t.Helper()
	shown := exec.Command("stty", "-a")
	shown.Stdin = f
	text, err := shown.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "-isig") && strings.Contains(string(text), "-icanon")
}
