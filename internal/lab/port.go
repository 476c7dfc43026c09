package lab

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

// portQueue is how many messages an agent keeps for a client that does not
// acknowledge. An agent does not wait for acknowledgements before it sends on;
// waiting here could make two ends wait for each other that never would.
const portQueue = 100_000

// servePort connects the client to a port on this machine: the kind Port. All
// nodes have the machine's loopback interface in common, and there is no other
// that a node could reach.
func (s *session) servePort() error {
	properties, err := channel.ParsePortProperties(s.properties)
	if err != nil {
		return err
	}
	if !s.node.isOnline() {
		return nil // it went down, and the session ends with it
	}
	server := tunnel.NewServer(s.agent, properties, tunnel.ServerOptions{
		MaxPayload: s.node.agent.MaxPayload,
		Pacing:     s.node.agent.Pacing,
		Dial:       dialLoopback,
	})
	s.setKeyboard(server.Input)
	return server.Serve(s.ctx)
}

// dialLoopback connects to loopback addresses only: the lab acts on this
// machine and on no other.
func dialLoopback(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, resolved string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(resolved)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%s is not on this machine: a lab forwards to loopback addresses only", host)
		}
		return nil
	}}
	return dialer.DialContext(ctx, "tcp", address)
}
