package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// ServerOptions say how the agent's end behaves. The zero value works.
type ServerOptions struct {
	// MaxPayload is the most bytes in a message. Default 1024.
	MaxPayload int
	// Pacing is the pause after each message. Default none; agents have 1 ms.
	Pacing time.Duration
	// Dial connects to an address. Default: a net.Dialer's.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Lookup gives the addresses of a remote host. Default: the resolver's.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Server is the agent's end of a port session: it connects to the target's
// ports. It behaves as an agent does, faults included where clients must live
// with them.
type Server struct {
	agent      *channel.Agent
	properties channel.PortProperties
	opts       ServerOptions
	stopped    chan struct{} // closed by the flag TerminateSession
	stopOnce   sync.Once

	mu   sync.Mutex // protects what follows
	side side       // nil: not ready for input
}

// side is what differs between multiplexed and plain sessions.
type side interface {
	// input takes bytes from the client; it is not called concurrently.
	input(data []byte) error
	// disconnect closes the target's connection (DisconnectToPort).
	disconnect()
	// serve runs until ctx ends or the session is over.
	serve(ctx context.Context) error
}

// NewServer makes the server of a session. Its Input must be the agent's.
func NewServer(agent *channel.Agent, properties channel.PortProperties, opts ServerOptions) *Server {
	if opts.MaxPayload == 0 {
		opts.MaxPayload = 1024
	}
	if opts.Dial == nil {
		opts.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if opts.Lookup == nil {
		opts.Lookup = net.DefaultResolver.LookupHost
	}
	return &Server{agent: agent, properties: properties, opts: opts, stopped: make(chan struct{})}
}

// Serve waits for the client and serves it until ctx ends, the client asks for
// the end, or, when the session is one plain stream, the target closes it. An
// error says why the session cannot go on: a *SilentError, or one whose text
// the service tells the client. When Serve returns nothing of it
// runs.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.agent.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		select {
		case <-s.stopped:
			cancel()
		case <-ctx.Done():
		}
	})
	side, err := s.begin(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.side = side
	s.mu.Unlock()
	err = side.serve(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// SilentError is what ends a session without the client being told: the agent
// says nothing of a target that refuses or breaks its plain stream. (V
// e3-ssh-connrefused)
type SilentError struct{ Err error }

func (e *SilentError) Error() string { return e.Err.Error() }
func (e *SilentError) Unwrap() error { return e.Err }

// begin does what an agent does before it takes input.
func (s *Server) begin(ctx context.Context) (side, error) {
	addresses, err := s.addresses(ctx)
	if err != nil {
		return nil, err
	}
	forwarding := s.properties.Type == channel.LocalPortForwarding
	if forwarding && channel.ClientMultiplexes(s.agent.ClientVersion()) {
		return newMuxSide(s, addresses)
	}
	conn, err := s.dial(ctx, addresses)
	if err != nil {
		return nil, &SilentError{fmt.Errorf("connect to the port: %w", err)}
	}
	return &plainSide{server: s, addresses: addresses, again: forwarding, conn: conn, dialled: make(chan error, 1)}, nil
}

// Input is channel.AgentConfig's. Until the target is connected nothing is
// acknowledged, so that it comes again.
func (s *Server) Input(payloadType channel.PayloadType, data []byte) error {
	s.mu.Lock()
	side := s.side
	s.mu.Unlock()
	if side == nil {
		return channel.ErrNotReady
	}
	switch payloadType {
	case channel.PayloadOutput:
		if side.input(data) != nil {
			return channel.ErrNotReady // the agent does not acknowledge what failed
		}
	case channel.PayloadFlag:
		flag, err := channel.ParseFlag(data)
		if err != nil {
			return err
		}
		switch flag {
		case channel.FlagTerminateSession:
			s.stopOnce.Do(func() { close(s.stopped) })
		case channel.FlagDisconnectToPort:
			side.disconnect()
		}
	}
	return nil
}

// send carries what r has to the client, one message a read, until r ends. The
// error is r's or the session's.
func (s *Server) send(ctx context.Context, r io.Reader) error {
	buf := make([]byte, s.opts.MaxPayload)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := s.agent.Stdout(buf[:n]); err != nil {
				return err
			}
			if s.opts.Pacing > 0 {
				await(ctx, nil, s.opts.Pacing)
			}
		}
		if err != nil {
			return err
		}
	}
}

// deniedHosts are what an agent forwards to for nobody: the instance's metadata
// and credentials, its DNS and time. (amazon-ssm-agent, appconfig/constants.go,
// DefaultDeniedPortForwardingRemoteIPs; on EC2 also some of the VPC.)
var deniedHosts = []string{
	"169.254.169.254", "fd00:ec2::254", "169.254.169.253", "fd00:ec2::253", "169.254.169.123",
	"fd00:ec2::123", "169.254.169.250", "169.254.169.251", "fd00:ec2::240",
}

// addresses resolves the destination, which is the target itself without a
// host.
func (s *Server) addresses(ctx context.Context) ([]string, error) {
	if s.properties.PortNumber == "" {
		return nil, errors.New("Port number is empty in session properties.") //lint:ignore ST1005 the agent's text
	}
	if s.properties.Host == "" {
		return []string{"localhost"}, nil
	}
	found, err := s.opts.Lookup(ctx, s.properties.Host)
	if err != nil {
		return nil, nil // the agent notices when it dials: there is no address
	}
	for _, address := range found {
		ip := net.ParseIP(address)
		if slices.ContainsFunc(deniedHosts, func(d string) bool { return net.ParseIP(d).Equal(ip) }) {
			return nil, fmt.Errorf("Forwarding to IP address %s is forbidden.", s.properties.Host) //lint:ignore ST1005 the agent's text
		}
	}
	return found, nil
}

// dial connects to the first address that accepts. The first error counts.
func (s *Server) dial(ctx context.Context, addresses []string) (net.Conn, error) {
	first := errors.New("missing address")
	for i, host := range addresses {
		conn, err := s.opts.Dial(ctx, net.JoinHostPort(host, s.properties.PortNumber))
		if err == nil {
			return conn, nil
		}
		if i == 0 {
			first = err
		}
	}
	return nil, first
}
