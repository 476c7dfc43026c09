package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/tunnel"
	"github.com/ssmrun/ssmrun/internal/view"
)

// listen opens the local port that the parameters name, if they do, so that a
// port in use costs no session.
func (a *attendance) listen(ctx context.Context, port []string) error {
	if len(port) != 1 {
		return nil // without one, and where it is the document's, the agent tells
	}
	number, err := strconv.Atoi(port[0])
	if err != nil {
		return nil // the service says which values the document takes
	}
	a.listener, err = tunnel.Listen(ctx, number)
	return err
}

func (a *attendance) closeListener() {
	if a.listener != nil {
		a.listener.Close()
	}
}

// carry serves a port session: a forwarded port, or stdin and stdout for ssh.
func (a *attendance) carry(ctx context.Context) error {
	port, err := a.session.Port(ctx)
	if err != nil {
		return err
	}
	properties := port.Properties()
	opts := tunnel.Options{OnError: func(err error) {
		fmt.Fprintf(a.notes, "ssmrun: %s\n", view.Sanitize(err.Error()))
	}}
	if properties.Type != channel.LocalPortForwarding {
		return tunnel.Stdio(ctx, a.session, a.term.in, a.stdout, opts)
	}
	if properties.LocalConnectionType == "unix" {
		return fmt.Errorf("the document forwards a Unix socket, which is not supported: use a local port")
	}
	if a.listener == nil {
		local := 0
		if text := properties.LocalPortNumber; text != "" {
			if local, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("the document's local port %q is no number", text)
			}
		}
		if a.listener, err = tunnel.Listen(ctx, local); err != nil {
			return err
		}
	}
	a.forwarding = true
	fmt.Fprintf(a.notes, "Port %d opened for sessionId %s.\nWaiting for connections...\n",
		tunnel.LocalPort(a.listener), view.Sanitize(a.session.ID()))
	return tunnel.Forward(ctx, a.session, a.listener, opts)
}
