package exec

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// machine is a Starter whose targets are shells on this machine: a pty with sh
// for the shell kind, a command with pipes for the command kind. Both ends of
// the data channel are real.
type machine struct {
	t    testing.TB
	env  []string
	home string // in the environment of all that it started, and of nothing else

	mu         sync.Mutex // protects what follows
	calls      []plan.Call
	nodes      map[string]*node
	terminated []string
	all        sync.WaitGroup
}

// node is what one session runs.
type node struct {
	agent   *channel.Agent
	session *channel.Session
	signal  func()
	// reaped: the process is gone, and its id may be another's.
	reaped atomic.Bool
}

func (n *node) kill() {
	if !n.reaped.Load() {
		n.signal()
	}
}

func newMachine(t testing.TB) *machine {
	home := t.TempDir()
	return &machine{t: t, home: "HOME=" + home, nodes: map[string]*node{}, env: append(os.Environ(), "HOME="+home, "TMPDIR="+t.TempDir(), "LC_ALL=C")}
}

func (m *machine) Start(ctx context.Context, call plan.Call, streams Streams, _ func(plan.Progress)) (*channel.Session, error) {
	m.mu.Lock()
	m.calls = append(m.calls, call)
	id := fmt.Sprintf("s-%d", len(m.calls))
	m.mu.Unlock()
	var n *node
	if command := call.Parameters["command"]; len(command) == 1 {
		n = m.command(id, command[0])
	} else {
		n = m.shell(id)
	}
	m.mu.Lock()
	m.nodes[id] = n
	m.mu.Unlock()
	session, err := channel.Connect(ctx, channel.Config{
		SessionID: id,
		Token:     "token",
		Stdout:    streams.Stdout,
		Stderr:    streams.Stderr,
		Dial: func(context.Context) (channel.Transport, error) {
			client, service := channel.Pipe()
			m.all.Go(func() { _ = n.agent.Attach(context.Background(), service, nil) })
			return client, nil
		},
	})
	m.mu.Lock()
	n.session = session
	m.mu.Unlock()
	return session, err
}

func (m *machine) Terminate(_ context.Context, _, id string) error {
	n := m.node(id)
	m.mu.Lock()
	m.terminated = append(m.terminated, id)
	m.mu.Unlock()
	n.kill()
	return n.agent.Terminate("")
}

// cut ends a session as a lost connection does, and leaves what runs in it.
func (m *machine) cut(id string) {
	_ = m.node(id).agent.Terminate("the agent was lost")
}

func (m *machine) node(id string) *node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[id]
}

// settled waits for everything the machine started and reports what was not
// terminated.
func (m *machine) settled() {
	m.t.Helper()
	m.mu.Lock()
	for _, n := range m.nodes {
		n.kill()
	}
	started, terminated := len(m.nodes), map[string]bool{}
	for _, id := range m.terminated {
		terminated[id] = true
	}
	m.mu.Unlock()
	killAll(m.home)
	m.all.Wait()
	if len(terminated) != started {
		m.t.Errorf("%d sessions were started and %d terminated", started, len(terminated))
	}
}

// shell is a Standard_Stream session.
func (m *machine) shell(id string) *node {
	cmd := exec.Command("sh")
	cmd.Env = m.env
	cmd.Dir = m.t.TempDir()
	terminal, err := pty.Start(cmd)
	if err != nil {
		m.t.Error(err)
		return nil
	}
	n := &node{signal: func() { killSession(cmd.Process.Pid) }}
	n.agent = channel.NewAgent(channel.AgentConfig{
		SessionID:   id,
		SessionType: channel.StandardStream,
		Input: func(kind channel.PayloadType, data []byte) error {
			if kind == channel.PayloadOutput {
				_, _ = terminal.Write(data)
			}
			return nil
		},
	})
	m.all.Go(func() {
		copyTo(terminal, n.agent.Stdout)
		n.reaped.Store(true)
		_ = cmd.Wait()
		_ = terminal.Close()
		_ = n.agent.Close("")
	})
	return n
}

// killSession kills all processes of a session of this machine: an interactive
// shell gives its jobs process groups of their own, and any of them can hold the
// terminal.
func killSession(id int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, parent, group, session int
		_, rest, _ := strings.Cut(string(text), ") ")
		var state string
		_, _ = fmt.Sscan(string(text), &pid)
		if _, err := fmt.Sscan(rest, &state, &parent, &group, &session); err == nil && session == id {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// killAll kills what has the given variable in its environment: steps that were
// left running on purpose, in sessions of their own.
func killAll(variable string) {
	for {
		found := false
		environs, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range environs {
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains("\x00"+string(text), "\x00"+variable+"\x00") {
				continue
			}
			var pid int
			if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
				found = true
			}
		}
		if !found {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// command is a NonInteractiveCommands session with separate streams.
func (m *machine) command(id, command string) *node {
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Env = m.env
	cmd.Dir = m.t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Error(err)
		return nil
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		m.t.Error(err)
		return nil
	}
	if err := cmd.Start(); err != nil {
		m.t.Error(err)
		return nil
	}
	n := &node{signal: func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }}
	n.agent = channel.NewAgent(channel.AgentConfig{
		SessionID:   id,
		SessionType: channel.NonInteractiveCommands,
		Handshake:   true,
		Input: func(_ channel.PayloadType, data []byte) error {
			for _, b := range data {
				if b == 0x03 {
					_ = cmd.Process.Signal(syscall.SIGINT)
				}
			}
			return nil
		},
	})
	m.all.Go(func() {
		if n.agent.Ready(context.Background()) != nil {
			n.kill()
		}
		var both sync.WaitGroup
		both.Go(func() { copyTo(stdout, n.agent.Stdout) })
		both.Go(func() { copyTo(stderr, n.agent.Stderr) })
		both.Wait()
		n.reaped.Store(true)
		_ = cmd.Wait()
		_ = n.agent.Exit(cmd.ProcessState.ExitCode())
		_ = n.agent.Close("")
	})
	return n
}

func copyTo(r io.Reader, send func([]byte) error) {
	b := make([]byte, 1024)
	for {
		n, err := r.Read(b)
		if n > 0 && send(b[:n]) != nil {
			_, _ = io.Copy(io.Discard, r)
			return
		}
		if err != nil {
			return
		}
	}
}
