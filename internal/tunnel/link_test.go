package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/ssmrun/ssmrun/internal/channel"
)

const (
	forwarding = `{"portNumber":"80","localPortNumber":"0","type":"LocalPortForwarding"}`
	plain      = `{"portNumber":"22"}`
)

// link is a port session with both ends in memory; what the agent dials is
// given to target.
type link struct {
	t       testing.TB
	agent   *channel.Agent
	server  *Server
	session *channel.Session
	served  chan error
	stop    context.CancelFunc

	mu       sync.Mutex // protects what follows
	attaches sync.WaitGroup
	dials    int
}

// join connects both ends over a network with faults. target serves each
// connection that the agent makes, and closes it; nil refuses.
func join(t testing.TB, properties, clientVersion string, faults func(n int) channel.Faults, target func(net.Conn)) *link {
	t.Helper()
	l := &link{t: t, served: make(chan error, 1)}
	l.agent = channel.NewAgent(channel.AgentConfig{
		SessionID: "s-1", SessionType: channel.Port, Handshake: true, Properties: json.RawMessage(properties),
		AgentVersion: "3.3.2299.0", Resend: 16, Queue: 100_000,
		Input: func(kind channel.PayloadType, p []byte) error { return l.server.Input(kind, p) },
	})
	parsed, err := channel.ParsePortProperties([]byte(properties))
	if err != nil {
		t.Fatal(err)
	}
	var targets sync.WaitGroup
	l.server = NewServer(l.agent, parsed, ServerOptions{
		Lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
		Dial: func(context.Context, string) (net.Conn, error) {
			if target == nil {
				return nil, errors.New("connection refused")
			}
			near, far := net.Pipe()
			targets.Go(func() { target(far) })
			return near, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go func() {
		err := l.server.Serve(ctx)
		l.served <- err
		l.agent.Close("")
	}()
	l.session, err = channel.Connect(ctx, channel.Config{
		SessionID: "s-1", Token: "t", TakePort: true, ClientVersion: clientVersion,
		Resume: func(context.Context) (string, error) { return "t", nil },
		Dial:   func(context.Context) (channel.Transport, error) { return l.dial(faults), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		l.session.Close()
		l.agent.Terminate("")
		l.attaches.Wait()
		targets.Wait()
	})
	return l
}

func (l *link) dial(faults func(n int) channel.Faults) channel.Transport {
	client, service := channel.Pipe()
	l.mu.Lock()
	n := l.dials
	l.dials++
	l.mu.Unlock()
	l.attaches.Go(func() { l.agent.Attach(context.Background(), service, nil) })
	if faults == nil {
		return client
	}
	return channel.Faulty(client, faults(n))
}

// memory is a listener whose connections are made by dial.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (m *memory) dial() net.Conn {
	near, far := net.Pipe()
	select {
	case m.conns <- far:
		return near
	case <-m.closed:
		near.Close()
		return near
	}
}

// echo answers with what it gets, to the end.
func echo(conn net.Conn) {
	io.Copy(onlyWriter{conn}, onlyReader{conn})
	conn.Close()
}

// forward runs Forward over a listener in memory until the returned function
// is called, which gives its result.
func (l *link) forward(opts Options) (*memory, func() error) {
	listener := newMemory()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- Forward(ctx, l.session, listener, opts) }()
	l.t.Cleanup(cancel)
	return listener, func() error {
		cancel()
		return <-result
	}
}
