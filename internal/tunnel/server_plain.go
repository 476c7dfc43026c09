package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// plainSide serves one plain stream: one connection to the target at a time.
// (amazon-ssm-agent, session/plugins/port/port_basic.go)
type plainSide struct {
	server    *Server
	addresses []string
	again     bool       // LocalPortForwarding: the next byte dials again
	dialled   chan error // how that went

	mu     sync.Mutex // protects what follows
	ctx    context.Context
	conn   net.Conn
	closed bool // conn's end was seen: the next byte dials, if again
}

func (p *plainSide) input(data []byte) error {
	p.mu.Lock()
	conn, closed, ctx := p.conn, p.closed, p.ctx
	p.mu.Unlock()
	if ctx == nil {
		return channel.ErrNotReady
	}
	if closed {
		var err error
		conn, err = p.server.dial(ctx, p.addresses)
		p.mu.Lock()
		if err == nil && ctx.Err() != nil {
			conn.Close() // nobody is left to do so
			err = ctx.Err()
		}
		if err == nil {
			p.conn, p.closed = conn, false
		}
		p.mu.Unlock()
		select {
		case p.dialled <- err:
		default:
		}
		if err != nil {
			return err
		}
	}
	_, err := conn.Write(data)
	return err
}

func (p *plainSide) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn.Close()
}

func (p *plainSide) serve(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, p.disconnect)
	defer p.disconnect()
	defer stop()
	for {
		p.mu.Lock()
		conn := p.conn
		p.mu.Unlock()
		err := p.server.send(ctx, conn)
		if errors.Is(err, channel.ErrClosed) || !p.again {
			if err == io.EOF {
				return nil
			}
			return &SilentError{err}
		}
		// The client is not told that the target has closed.
		conn.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		select {
		case err := <-p.dialled:
			if err != nil {
				return &SilentError{err}
			}
		case <-ctx.Done():
			return nil
		}
	}
}
