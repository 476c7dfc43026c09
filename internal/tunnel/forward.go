package tunnel

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// Options says how a tunnel behaves. The zero value works.
type Options struct {
	// Linger is how long a connection whose local end has no more to say stays
	// open without a byte from the target. See the package comment,
	// "Half-close". Default 1 s.
	Linger time.Duration
	// MaxConnections bounds the connections that are open at once; more wait
	// to be accepted. Default 1024.
	MaxConnections int
	// LeaveTimeout bounds the wait for the session's end after the agent was
	// asked for it; and, when the session ended by itself, for programs here to
	// read what had arrived. Default 3 s.
	LeaveTimeout time.Duration
	// OnError, when not nil, is told of single connections that failed: a
	// *RefusedError, say. It may be called from several goroutines at a time.
	OnError func(error)
}

func (o Options) withDefaults() Options {
	if o.Linger == 0 {
		o.Linger = time.Second
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 1024
	}
	if o.LeaveTimeout == 0 {
		o.LeaveTimeout = 3 * time.Second
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return o
}

// ErrNotForwarding is what Forward returns for a port session that carries one
// plain stream (AWS-StartSSHSession): that is Stdio's.
var ErrNotForwarding = errors.New("the document gives one plain stream and no port forwarding: use it as the ProxyCommand of ssh")

// Forward carries the connections that l accepts to the port behind the
// session, many at once where both versions allow, otherwise one after
// another. It returns when ctx ends (with nil, after it has asked the agent to
// end the session) or the session does (with the reason, an *EndedError for an
// ordinary end). By then l, all connections and the session are closed and
// nothing of the tunnel runs. Ending the session at the service is the
// caller's: agents up to 2.3.722.0 cannot be asked.
func Forward(ctx context.Context, session *channel.Session, l net.Listener, opts Options) error {
	defer session.Close()
	defer l.Close()
	port, err := session.Port(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return notTaken(err)
	}
	if port.Properties().Type != channel.LocalPortForwarding {
		return ErrNotForwarding
	}
	f := &forwarder{session: session, port: port, listener: l, opts: opts.withDefaults()}
	if port.Multiplexed() {
		return f.many(ctx)
	}
	return f.oneByOne(ctx)
}

// notTaken explains why a session gives no port.
func notTaken(err error) error {
	if errors.As(err, new(*channel.NotPortError)) {
		return err
	}
	return ended(err, channel.PortProperties{})
}

// forwarder is one Forward.
type forwarder struct {
	session  *channel.Session
	port     *channel.PortStream
	listener net.Listener
	opts     Options
}

// leave waits for the end of the tunnel: the session's own, or ctx's. In the
// latter case it asks the agent to end the session, and waits a little.
func (f *forwarder) leave(ctx context.Context) error {
	select {
	case <-f.session.Done():
		return ended(f.session.Wait(ctx), f.port.Properties())
	case <-ctx.Done():
		leave(f.session, f.port, f.opts.LeaveTimeout)
		return nil
	}
}

// leave asks the agent to end the session and waits for that.
func leave(session *channel.Session, port *channel.PortStream, limit time.Duration) {
	if port.Terminate() == nil {
		await(context.Background(), session.Done(), limit)
	}
}

// await waits until over is closed, ctx ends or the time has passed.
func await(ctx context.Context, over <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-over:
	case <-ctx.Done():
	case <-timer.C:
	}
}
