package channel

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// link joins a Session and an Agent in memory, through a network that may be
// bad, over as many connections as it takes.
type link struct {
	t      testing.TB
	agent  *Agent
	faults func(connection int) Faults // nil: none

	stdout, stderr recorder

	mu          sync.Mutex // protects what follows
	connections int
	attaches    sync.WaitGroup
	attachErr   []error
}

// recorder is a writer that can be looked at while it is written to.
type recorder struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func newLink(t testing.TB, cfg AgentConfig) *link {
	cfg.SessionID = "s-1"
	return &link{t: t, agent: NewAgent(cfg)}
}

// config is a Config that connects to the link's agent.
func (l *link) config() Config {
	return Config{
		SessionID: "s-1",
		Token:     "token-0",
		Dial:      l.dial,
		Resume:    func(context.Context) (string, error) { return "token-1", nil },
		Stdout:    &l.stdout,
		Stderr:    &l.stderr,
	}
}

func (l *link) dial(context.Context) (Transport, error) {
	l.mu.Lock()
	n := l.connections
	l.connections++
	l.mu.Unlock()
	client, service := Pipe()
	var faults Faults
	if l.faults != nil {
		faults = l.faults(n)
	}
	l.attaches.Go(func() {
		err := l.agent.Attach(context.Background(), service, nil)
		l.mu.Lock()
		l.attachErr = append(l.attachErr, err)
		l.mu.Unlock()
	})
	if faults != (Faults{}) {
		return Faulty(client, faults), nil
	}
	return client, nil
}

func (l *link) connect(change ...func(*Config)) *Session {
	l.t.Helper()
	cfg := l.config()
	for _, f := range change {
		f(&cfg)
	}
	s, err := Connect(context.Background(), cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// end ends both ends and waits for all goroutines.
func (l *link) end(s *Session) {
	s.Close()
	l.agent.Terminate("")
	l.attaches.Wait()
}

func wantExit(t testing.TB, err error, code int) {
	t.Helper()
	if code == 0 {
		if err != nil {
			t.Fatalf("got %v, want exit code 0", err)
		}
		return
	}
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != code {
		t.Fatalf("got %v, want exit code %d", err, code)
	}
}

func wantMissing(t testing.TB, err error) *ExitMissingError {
	t.Helper()
	var missing *ExitMissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want an ExitMissingError", err)
	}
	return missing
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
