package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/xtaci/smux"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// muxConfig is what both of AWS's programs use.
func muxConfig(keepAlive bool) *smux.Config {
	config := smux.DefaultConfig() // version 1
	config.KeepAliveDisabled = !keepAlive
	return config
}

// many forwards any number of connections at once, a smux stream each.
func (f *forwarder) many(ctx context.Context) error {
	mux, err := smux.Client(endless{f.port}, muxConfig(f.port.KeepAlive()))
	if err != nil {
		return fmt.Errorf("multiplex: %w", err)
	}
	crowd := newCrowd()
	var work sync.WaitGroup
	work.Go(func() { f.acceptMany(mux, crowd) })
	err = f.leave(ctx)
	f.listener.Close()
	if err != nil {
		crowd.settle(ctx, f.opts.LeaveTimeout) // what arrived is still read
	}
	f.session.Close()
	mux.Close()
	crowd.end()
	work.Wait()
	return err
}

var errSessionOver = errors.New("the session ended")

// endless makes an error of the end of the session, which smux would otherwise
// pass on as the end of every stream: but those end with a FIN.
type endless struct{ *channel.PortStream }

func (e endless) Read(p []byte) (int, error) {
	n, err := e.PortStream.Read(p)
	if err == io.EOF {
		err = errSessionOver
	}
	return n, err
}

// acceptMany ends when the listener is closed.
func (f *forwarder) acceptMany(mux *smux.Session, crowd *crowd) {
	room := make(chan struct{}, f.opts.MaxConnections)
	for {
		select {
		case room <- struct{}{}:
		case <-f.session.Done():
			return
		}
		local, err := accept(f.listener, f.session.Done())
		if err != nil {
			return
		}
		crowd.add(local, func() {
			defer func() { <-room }()
			if err := f.connection(mux, local); err != nil {
				f.opts.OnError(err)
			}
		})
	}
}

// connection carries one connection over a stream of its own.
func (f *forwarder) connection(mux *smux.Session, local net.Conn) error {
	far, err := mux.OpenStream()
	if err != nil {
		abort(local)
		return fmt.Errorf("open a connection through the tunnel: %w", err)
	}
	r := &relay{local: local, far: far, linger: f.opts.Linger, refused: f.port.TakeRefusal}
	err = r.run()
	if errors.Is(err, errRefused) {
		p := f.port.Properties()
		return &RefusedError{p.Host, p.PortNumber}
	}
	return err
}

// crowd is the connections that are open, so that they can be ended together.
type crowd struct {
	work sync.WaitGroup

	mu    sync.Mutex // protects what follows
	conns map[net.Conn]bool
	over  bool
}

func newCrowd() *crowd { return &crowd{conns: make(map[net.Conn]bool)} }

// add runs serve, which closes conn, in a goroutine that end waits for.
func (c *crowd) add(conn net.Conn, serve func()) {
	c.mu.Lock()
	c.conns[conn] = true
	if c.over {
		conn.Close()
	}
	c.work.Add(1)
	c.mu.Unlock()
	go func() {
		defer c.work.Done()
		serve()
		c.mu.Lock()
		delete(c.conns, conn)
		c.mu.Unlock()
	}()
}

// settle waits until all connections have ended by themselves, but not for
// ever.
func (c *crowd) settle(ctx context.Context, limit time.Duration) {
	empty := make(chan struct{})
	go func() { // ends with end, which aborts them
		c.work.Wait()
		close(empty)
	}()
	await(ctx, empty, limit)
}

// end aborts all connections and waits for their goroutines.
func (c *crowd) end() {
	c.mu.Lock()
	c.over = true
	for conn := range c.conns {
		abort(conn)
	}
	c.mu.Unlock()
	c.work.Wait()
}
