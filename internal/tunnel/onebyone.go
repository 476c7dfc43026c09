package tunnel

import (
	"context"
	"io"
	"net"
	"sync"
)

// oneByOne forwards one connection after another over the plain stream, for
// agents that do not multiplex.
func (f *forwarder) oneByOne(ctx context.Context) error {
	s := &single{f: f, taken: make(chan struct{})}
	all := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { defer close(all); s.down() })
	work.Go(func() { s.accept(ctx) })
	err := f.leave(ctx)
	f.listener.Close()
	s.first() // nobody comes any more
	if err != nil {
		await(ctx, all, f.opts.LeaveTimeout) // what arrived is still read
	}
	f.port.Close()
	s.hangUp()
	work.Wait()
	return err
}

// single is the local end of a plain stream: the connection that has it now.
type single struct {
	f     *forwarder
	once  sync.Once
	taken chan struct{} // closed with the first connection
	heard ear

	mu    sync.Mutex // protects what follows
	local net.Conn   // the one that is served
	hears net.Conn   // the same, once what comes can only be for it
	over  bool
}

// accept serves one connection after another until the tunnel ends.
func (s *single) accept(ctx context.Context) {
	for {
		conn, err := accept(s.f.listener, s.f.session.Done())
		if err != nil || !s.begin(conn) {
			return
		}
		s.up(conn)
		s.end(conn)
		// The agent learns that the connection is over and closes the
		// target's. It dials again with the first byte that follows, so what
		// comes until then belongs to the old one and is discarded.
		if s.f.port.Disconnect() != nil || s.f.port.Drain(ctx) != nil {
			return
		}
	}
}

// begin makes conn the one that is served. The agent has dialled for the first
// one already, and a server may have begun to speak.
func (s *single) begin(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		conn.Close()
		return false
	}
	s.local = conn
	select {
	case <-s.taken:
	default:
		s.hears = conn
	}
	s.first()
	return true
}

func (s *single) first() { s.once.Do(func() { close(s.taken) }) }

// up carries conn's bytes until it has no more.
func (s *single) up(conn net.Conn) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			s.mu.Lock()
			s.hears = conn
			s.mu.Unlock()
			if _, err := s.f.port.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			s.heard.silence(s.f.opts.Linger, s.f.session.Done())
		}
		if err != nil {
			return
		}
	}
}

func (s *single) end(conn net.Conn) {
	s.mu.Lock()
	s.local, s.hears = nil, nil
	s.mu.Unlock()
	conn.Close()
}

// hangUp ends the connection that is served, and all that follow.
func (s *single) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.local != nil {
		abort(s.local)
	}
}

// down carries the target's bytes to whoever is connected, from the first
// connection on to the end of the session.
func (s *single) down() {
	<-s.taken
	buf := make([]byte, copyBuffer)
	for {
		n, err := s.f.port.Read(buf)
		if err != nil {
			return
		}
		s.heard.touch()
		s.mu.Lock()
		conn := s.hears
		s.mu.Unlock()
		if conn == nil {
			continue
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			conn.Close() // the program has gone; up learns of it
		}
	}
}
