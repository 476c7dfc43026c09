//go:build unix

package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

// bastion is a Starter whose sessions are tunnels to a port of this machine.
type bastion struct {
	properties channel.PortProperties

	mu         sync.Mutex // protects what follows
	agents     []*channel.Agent
	terminated []string
	all        sync.WaitGroup
}

func (b *bastion) Start(ctx context.Context, call plan.Call, streams Streams, _ func(plan.Progress)) (*channel.Session, error) {
	if !call.Port {
		return nil, errors.New("the call is not for a port session")
	}
	properties, err := json.Marshal(b.properties)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := fmt.Sprintf("s-%d", len(b.agents)+1)
	var server *tunnel.Server
	made := make(chan struct{})
	agent := channel.NewAgent(channel.AgentConfig{
		SessionID: id, SessionType: channel.Port, AgentVersion: "3.3.2299.0", Handshake: true, Properties: properties,
		Input: func(kind channel.PayloadType, data []byte) error {
			<-made
			return server.Input(kind, data)
		},
	})
	server = tunnel.NewServer(agent, b.properties, tunnel.ServerOptions{})
	close(made)
	b.agents = append(b.agents, agent)
	serving, stop := context.WithCancel(context.Background())
	b.all.Go(func() {
		_ = server.Serve(serving)
		_ = agent.Close("")
		stop()
	})
	session, err := channel.Connect(ctx, channel.Config{
		SessionID: id, Token: "token", Stdout: streams.Stdout, Stderr: streams.Stderr, TakePort: true,
		Dial: func(context.Context) (channel.Transport, error) {
			client, service := channel.Pipe()
			b.all.Go(func() {
				_ = agent.Attach(context.Background(), service, nil)
				stop()
			})
			return client, nil
		},
	})
	return session, err
}

func (b *bastion) Terminate(_ context.Context, _, id string) error {
	b.mu.Lock()
	b.terminated = append(b.terminated, id)
	b.mu.Unlock()
	return b.cut(id, "")
}

// cut ends a session from the service's side.
func (b *bastion) cut(id, output string) error {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "s-"))
	if err != nil {
		return err
	}
	b.mu.Lock()
	agent := b.agents[n-1]
	b.mu.Unlock()
	return agent.Terminate(output)
}

// echoing serves connections that get back what they send.
func echoing(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { // ends with the connection
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// tunnelWorld is a run of one job of the port kind whose steps are local
// commands, each given the local port.
func tunnelWorld(t *testing.T, port string, commands map[string]string, labels ...string) (*world, *bastion) {
	t.Helper()
	b := &bastion{properties: channel.PortProperties{PortNumber: port, Type: channel.LocalPortForwarding}}
	w := newWorld(newSession("db", 1, withSteps(labels...)))
	w.sessions[0].Kind = plan.KindPort
	for _, label := range labels {
		w.change(label, func(s *plan.Step) { s.Action = plan.ActionLocalCommand })
	}
	w.answers.prepare = func(j *plan.Job, s *plan.Step, _ int) plan.Work {
		local := w.live.facts.Jobs[j.Address].LocalPort
		return plan.Work{Action: s.Action, Argv: sh(commands[s.Label], strconv.Itoa(local))}
	}
	w.opts.Starter = b
	t.Cleanup(b.all.Wait)
	return w, b
}

// whileItRuns calls happen while a command of the returned text runs, and lets
// the command end after that.
func whileItRuns(t *testing.T, happen func()) (command string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-over })
	go func() { // ends with the command or the listener
		defer close(over)
		c, err := l.Accept()
		if err != nil {
			return
		}
		happen()
		c.Close()
	}()
	return fmt.Sprintf("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; read -r line <&3; sleep $0; exit 3' ", l.Addr().(*net.TCPAddr).Port)
}

// TestATunnelIsClosedHoweverItsJobEnds: the session ends at the service, too.
func TestATunnelIsClosedHoweverItsJobEnds(t *testing.T) {
	for name, c := range map[string]struct {
		command string // when nothing happens
		happens func(stop, cut, lose func())
		then    string // how long the command goes on
		want    outcome.Outcome
	}{
		"passed":    {command: "exit 0", want: outcome.Passed},
		"failed":    {command: "exit 1", want: outcome.Failed},
		"timed out": {command: "exec sleep 60", want: outcome.TimedOut},
		"stopped":   {happens: func(stop, _, _ func()) { stop() }, then: "0", want: outcome.Failed},
		"cut":       {happens: func(_, cut, _ func()) { cut() }, then: "60", want: outcome.Cancelled},
		"lost":      {happens: func(_, _, lose func()) { lose() }, then: "0", want: outcome.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands := map[string]string{"one": c.command, "two": "true"}
			w, b := tunnelWorld(t, "1", commands, "one", "two")
			ctx, cut := context.WithCancel(t.Context())
			defer cut()
			stopping := make(chan struct{})
			w.opts.Stopping = stopping
			if c.happens != nil {
				commands["one"] = whileItRuns(t, func() {
					c.happens(func() { close(stopping) }, cut, func() { _ = b.cut("s-1", "") })
				}) + c.then
			}
			if name == "timed out" {
				w.sessions[0].Timeout = 100 * time.Millisecond
			}
			w.run(ctx)
			if got := w.outcomes()[`session.db["i-01"]`]; got != c.want {
				t.Errorf("outcome %s, want %s\n%s", got, c.want, w.lines())
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.agents) != 1 || strings.Join(b.terminated, " ") != "s-1" {
				t.Errorf("%d sessions, terminated %v", len(b.agents), b.terminated)
			}
		})
	}
}

const askThrough = `exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0; echo hello >&3; read -r line <&3; [ "$line" = hello ]' "$1"`

// A tunnel has no state: one that ended between steps is opened again, at the
// same local port.
func TestATunnelThatEndedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	w, b := tunnelWorld(t, echoing(t), map[string]string{"one": askThrough, "two": askThrough}, "one", "two")
	w.answers.judge = func(j *plan.Job, s *plan.Step, r plan.Result) plan.Verdict {
		if s.Label == "one" {
			_ = b.cut("s-1", "")
			address := fmt.Sprintf("127.0.0.1:%d", w.live.facts.Jobs[j.Address].LocalPort)
			for { // until this end knows, and answers nothing
				c, err := net.Dial("tcp4", address)
				if err != nil {
					break // reset
				}
				fmt.Fprintln(c, "there?")
				_, err = c.Read(make([]byte, 1))
				c.Close()
				if err != nil {
					break
				}
			}
		}
		if *r.ExitCode != 0 {
			return plan.Verdict{Outcome: outcome.Failed}
		}
		return plan.Verdict{Outcome: outcome.Passed}
	}
	w.run(t.Context())
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
	if strings.Join(b.terminated, " ") != "s-1 s-2" {
		t.Errorf("terminated %v", b.terminated)
	}
	ports := map[int]bool{}
	for _, f := range w.facts() {
		if ready, ok := f.(event.SessionReady); ok {
			ports[ready.LocalPort] = true
		}
	}
	if len(ports) != 1 {
		t.Errorf("local ports %v, want one", ports)
	}
}

// The step's failure says what the tunnel knows; the tunnel goes on.
func TestARefusedConnectionIsToldByTheStep(t *testing.T) {
	t.Parallel()
	w, _ := tunnelWorld(t, "1", map[string]string{"one": askThrough, "two": "true"}, "one", "two")
	w.change("one", func(s *plan.Step) { s.OnFailureContinue = true })
	w.run(t.Context())
	if got := w.complete(t, "one"); got.Outcome != outcome.Failed || !strings.Contains(got.Note, `could not connect to its port "1"`) {
		t.Errorf("step one: %+v", got)
	}
	if got := w.complete(t, "two"); got.Outcome != outcome.Passed || got.Note != "" {
		t.Errorf("step two: %+v", got)
	}
}

// A document with one plain stream gives each step that connects a session.
func TestAPlainStreamIsForOneConnection(t *testing.T) {
	t.Parallel()
	w, b := tunnelWorld(t, echoing(t), map[string]string{"one": askThrough, "two": askThrough, "three": "true"}, "one", "two", "three")
	b.properties.Type = ""
	w.run(t.Context())
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Passed))
	if got := strings.Join(b.terminated, " "); got != "s-1 s-2 s-3" {
		t.Errorf("terminated %v", got)
	}
}

// A port that is taken costs no session.
func TestATakenLocalPortStartsNothing(t *testing.T) {
	t.Parallel()
	taken, err := strconv.Atoi(echoing(t))
	if err != nil {
		t.Fatal(err)
	}
	w, b := tunnelWorld(t, "1", map[string]string{"one": "true"}, "one", "finally_a")
	w.answers.prepareJob = func(*plan.Job) (plan.Start, plan.Diagnostics) { return plan.Start{LocalPort: taken}, nil }
	w.run(t.Context())
	wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Failed))
	if got := w.lines("job_complete"); !strings.Contains(got, fmt.Sprintf("local port %d is in use", taken)) {
		t.Errorf("the reason is %s", got)
	}
	if len(b.agents) != 0 || w.lines("session_start", "step_start") != "" {
		t.Errorf("something was started:\n%s", w.lines())
	}
}

// Not in parallel: another test may be given the same port.
func TestTheLocalPortIsGivenBack(t *testing.T) {
	w, _ := tunnelWorld(t, "1", map[string]string{"one": "true"}, "one")
	w.run(t.Context())
	address := fmt.Sprintf("127.0.0.1:%d", w.live.facts.Jobs[`session.db["i-01"]`].LocalPort)
	if c, err := net.Dial("tcp4", address); err == nil {
		c.Close()
		t.Error("the local port is open still")
	}
}
