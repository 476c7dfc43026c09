package exec

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

// plainStream gives the one plain stream of a session (AWS-StartSSHSession) to
// the first local connection; others are reset.
type plainStream struct {
	session    *channel.Session
	properties channel.PortProperties
	taken      chan struct{} // closed when there is a connection
	left       chan struct{} // closed when its local end has no more to say
}

func newPlainStream(session *channel.Session, properties channel.PortProperties) *plainStream {
	return &plainStream{session: session, properties: properties, taken: make(chan struct{}), left: make(chan struct{})}
}

// carry returns when the connection has ended, with nil when it ended well or
// ctx did. The session and l are closed then.
func (s *plainStream) carry(ctx context.Context, l net.Listener, opts tunnel.Options) error {
	conn, err := s.accept(ctx, l)
	if err != nil {
		defer s.session.Close()
		switch {
		case ctx.Err() != nil:
			return nil
		case isClosed(s.session.Done()):
			return s.unused()
		}
		return err
	}
	close(s.taken)
	release := context.AfterFunc(ctx, func() { conn.Close() }) // a program that does not read keeps Stdio
	defer release()
	err = tunnel.Stdio(ctx, s.session, &lastRead{Conn: conn, over: s.left}, conn, opts)
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		reset(conn)
	}
	conn.Close()
	return err
}

// lastRead is a connection that tells when there is no more to read.
type lastRead struct {
	net.Conn
	once sync.Once
	over chan struct{}
}

func (r *lastRead) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if err != nil {
		r.once.Do(func() { close(r.over) })
	}
	return n, err
}

// accept waits for a connection, but not longer than for ctx and the session. l
// is closed then.
func (s *plainStream) accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	accepted := make(chan struct{})
	watched := make(chan struct{})
	go func() { // ends with this function
		defer close(watched)
		select {
		case <-accepted:
		case <-ctx.Done():
		case <-s.session.Done():
		}
		l.Close()
	}()
	conn, err := l.Accept()
	close(accepted)
	<-watched
	return conn, err
}

// unused is why the session ended before anybody had connected: mostly because
// nothing listens on the target's port, of which the agent says nothing.
func (s *plainStream) unused() error {
	missing, ok := errors.AsType[*channel.ExitMissingError](s.session.Wait(context.Background()))
	if !ok || missing.Cause != nil || missing.Gap {
		return sessionEnd(s.session)
	}
	return &tunnel.EndedError{Output: missing.Output, Silent: true, Host: s.properties.Host, Port: s.properties.PortNumber}
}
