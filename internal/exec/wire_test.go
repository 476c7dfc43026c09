package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// wire is a Starter that connects to an agent in memory behind which there is
// no shell, only what the test wants to be said.
type wire struct {
	says  func(agent *channel.Agent)                 // nil: nothing
	runs  func(agent *channel.Agent, call plan.Call) // nil: nothing
	input func([]byte)                               // nil: dropped

	terminateErr error
	resume       func() (token string, err error) // nil: a lost connection is the end
	links        []channel.Transport              // the agent's ends of the connections; under mu

	mu         sync.Mutex // protects what follows
	terminated int
	agents     []*channel.Agent
	attached   sync.WaitGroup
}

func (s *wire) Start(ctx context.Context, call plan.Call, streams Streams, _ func(plan.Progress)) (*channel.Session, error) {
	agent := channel.NewAgent(channel.AgentConfig{
		SessionID:   "s-1",
		SessionType: channel.StandardStream,
		Input: func(kind channel.PayloadType, data []byte) error {
			if s.input != nil && kind == channel.PayloadOutput {
				s.input(data)
			}
			return nil
		},
	})
	s.mu.Lock()
	s.agents = append(s.agents, agent)
	s.mu.Unlock()
	var resume func(context.Context) (string, error)
	if s.resume != nil {
		resume = func(context.Context) (string, error) { return s.resume() }
	}
	session, err := channel.Connect(ctx, channel.Config{
		SessionID: "s-1", Token: "token", Stdout: streams.Stdout, Stderr: streams.Stderr,
		Resume: resume, OnReconnect: streams.OnReconnect,
		Dial: func(context.Context) (channel.Transport, error) {
			client, service := channel.Pipe()
			s.mu.Lock()
			s.links = append(s.links, service)
			s.mu.Unlock()
			s.attached.Go(func() { _ = agent.Attach(context.Background(), service, nil) })
			return client, nil
		},
	})
	if err == nil && s.says != nil {
		s.says(agent)
	}
	if err == nil && s.runs != nil {
		s.runs(agent, call)
	}
	return session, err
}

// cut ends the first connection.
func (s *wire) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[0].Close()
}

func (s *wire) Terminate(ctx context.Context, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminated++
	for _, a := range s.agents {
		_ = a.Terminate("")
	}
	s.attached.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.terminateErr
}

// wireWorld is a run of one job whose session is a wire.
func wireWorld(s *wire, labels ...string) *world {
	w := newWorld(newSession("web", 1, withSteps(labels...)))
	w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
	w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
		return plan.Work{Action: s.Action, Wait: time.Second, Script: []byte("true"), Shell: "sh"}
	}
	w.opts.Starter = s
	return w
}

func TestAShellThatDoesNotAnswerIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wire{says: func(a *channel.Agent) { _ = a.Stdout([]byte("This account is locked.\r\n")) }}
		w := wireWorld(s, "one", "finally_a")
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unreachable))
		if d := w.summary.Duration; d < bootTimeout || d > bootTimeout+5*time.Second {
			t.Errorf("it took %s", d)
		}
		if s.terminated != 1 {
			t.Errorf("%d sessions terminated, want 1", s.terminated)
		}
		if got := w.lines("job_complete"); !strings.Contains(got, "no shell answered within 15s") || !strings.Contains(got, "This account is locked.") {
			t.Errorf("the reason is %s", got)
		}
		if got := w.lines("step_start", "session_ready"); got != "" {
			t.Errorf("a step was announced:\n%s", got)
		}
	})
}

// A session that dies under the boot is told with what it said, and without what
// was typed into it, of which the terminal and the shell both have an echo.
func TestABootThatFailsIsToldInTheTargetsWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var typed strings.Builder
		s := &wire{}
		s.says = func(a *channel.Agent) { say(a, "Welcome to web-01\r\n") }
		s.input = func(data []byte) {
			typed.Write(data)
			if !strings.Contains(typed.String(), "\n") {
				return
			}
			echo := strings.TrimSpace(typed.String())
			say(s.agents[0], echo+"\r\n$ "+echo+"\r\n-sh: fork: Resource temporarily unavailable\r\n")
			go func() { _ = s.agents[0].Close("") }()
		}
		w := wireWorld(s, "one")
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unreachable))
		want := `the session showed: "Welcome to web-01", "-sh: fork: Resource temporarily unavailable"`
		if got := w.lines("job_complete"); !strings.Contains(got, want) || strings.Contains(got, "stty") {
			t.Errorf("the reason is %s", got)
		}
	})
}

func TestASessionThatClosesAtOnceIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wire{says: func(a *channel.Agent) { _ = a.Terminate("Session document is not allowed") }}
		w := wireWorld(s, "one")
		w.run(t.Context())
		wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unreachable))
		if got := w.lines("job_complete"); !strings.Contains(got, "Session document is not allowed") {
			t.Errorf("the reason is %s", got)
		}
	})
}

// What a run could not end it says.
func TestASessionThatCannotBeTerminatedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wire{terminateErr: errors.New("AccessDeniedException")}
		w := wireWorld(s, "one")
		w.run(t.Context())
		if len(w.summary.Open) != 1 || w.summary.Open[0].ID != "s-1" || w.summary.Open[0].Job != `session.web["i-01"]` {
			t.Errorf("open sessions %+v", w.summary.Open)
		}
		if got := w.lines("session_complete"); !strings.Contains(got, "terminated=false (AccessDeniedException)") {
			t.Errorf("events %s", got)
		}
	})
}

// Interrupts while the session is being opened leave nothing, and nothing ran.
func TestInterruptsDuringTheBoot(t *testing.T) {
	for name, cut := range map[string]bool{"first": false, "second": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &wire{}
				w := wireWorld(s, "one", "finally_a")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stopping := make(chan struct{})
				w.opts.Stopping = stopping
				time.AfterFunc(5*time.Second, func() {
					close(stopping)
					if cut {
						cancel()
					}
				})
				w.run(ctx)
				wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.NotStarted))
				if s.terminated != 1 || len(w.summary.Open) > 0 || w.summary.ExitCode() != outcome.ExitInterrupted {
					t.Errorf("%d sessions terminated, exit code %d", s.terminated, w.summary.ExitCode())
				}
				if d := w.summary.Duration; d > 10*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// What keeps a connection from being resumed is in the reason, also where the
// step's time is over before the session gives up.
func TestWhyASessionIsNotResumedIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		answer  error
		timeout time.Duration
		within  time.Duration
	}{
		"refused": {channel.ErrRefused, time.Minute, 15 * time.Second},
		"busy":    {channel.ErrBusy, 5 * time.Second, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &wire{resume: func() (string, error) { return "", fmt.Errorf("%w: AnAnswer", c.answer) }}
				w := documentWorld(s, nil)
				w.change("one", func(s *plan.Step) { s.Timeout = c.timeout })
				time.AfterFunc(time.Second, s.cut)
				w.run(t.Context())
				wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unknown))
				if got := w.lines("job_complete"); !strings.Contains(got, "AnAnswer") {
					t.Errorf("the reason is %s", got)
				}
				if d := w.summary.Duration; d > c.within {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// A panic in what reads a session's output ends that session.
func TestAPanicInAReaderIsAnError(t *testing.T) {
	g := guard(writerFunc(func([]byte) (int, error) { panic("boom") }))
	if _, err := g.Write([]byte("x")); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestMistakesInChecksAreAnExitCode(t *testing.T) {
	s := Summary{Mistakes: true}
	if got := s.ExitCode(); got != outcome.ExitError {
		t.Errorf("exit code %d, want 1", got)
	}
	s.Tally.Jobs = map[outcome.Outcome]int{outcome.Unknown: 1}
	if got := s.ExitCode(); got != outcome.ExitUnknown {
		t.Errorf("exit code %d, want 6", got)
	}
}
