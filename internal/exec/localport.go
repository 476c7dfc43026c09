package exec

import (
	"errors"
	"net"
	"sync"
	"time"
)

// localPort is a port of this machine that is kept from the beginning of a job to
// its end, over all the sessions behind it: a port that was given back could be
// another program's a moment later. While no session has it, connections are
// reset.
type localPort struct {
	listener net.Listener
	over     chan struct{} // closed when nothing is accepted any more

	mu   sync.Mutex // protects what follows
	lent *lentPort  // to the session that has the port, or nil
}

func newLocalPort(l net.Listener) *localPort {
	p := &localPort{listener: l, over: make(chan struct{})}
	go p.accept() // ends with close
	return p
}

func (p *localPort) accept() {
	defer close(p.over)
	for {
		conn, err := p.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // without descriptors, say
			time.Sleep(10 * time.Millisecond)
			continue
		}
		p.mu.Lock()
		lent := p.lent
		p.mu.Unlock()
		if !lent.take(conn) {
			reset(conn)
		}
	}
}

// lend gives the port to a session, until the listener that is returned is
// closed.
func (p *localPort) lend() net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent = &lentPort{addr: p.listener.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	return p.lent
}

// close gives the port back. What it was lent to has to be closed before.
func (p *localPort) close() {
	p.listener.Close()
	<-p.over
}

// lentPort is a listener for one session.
type lentPort struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// take hands a connection over and reports whether it was accepted.
func (l *lentPort) take(conn net.Conn) bool {
	if l == nil {
		return false
	}
	select {
	case l.conns <- conn:
		return true
	case <-l.closed:
		return false
	}
}

func (l *lentPort) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *lentPort) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *lentPort) Addr() net.Addr { return l.addr }

// reset closes a connection so that nobody takes it for the end of a file.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
