package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// copyBuffer is how much a relay reads at a time: less than a frame of smux
// may hold, so that many connections take turns.
const copyBuffer = 16 << 10

// errRefused: the stream ended without a byte, and the agent had said that it
// could not connect.
var errRefused = errors.New("refused")

// relay carries the bytes between a local connection and its smux stream.
type relay struct {
	local   net.Conn
	far     *smux.Stream
	linger  time.Duration
	refused func() bool

	mu      sync.Mutex  // protects what follows
	silence *time.Timer // runs when the local end has no more to say; closes far
	left    bool        // far was closed by this end
}

// run returns when both directions have ended and both ends are closed. The
// local connection ends as the far one did: after all its bytes, or, when the
// tunnel broke, with a reset, which nobody takes for the end of a file.
func (r *relay) run() error {
	up := make(chan struct{})
	go func() { // ends when local does, which the end of down sees to
		defer close(up)
		r.up()
	}()
	received, err := r.down()
	r.leave()
	refused := err == nil && received == 0 && r.refused()
	if refused {
		err = errRefused
	}
	if err != nil {
		abort(r.local)
		<-up
		return err
	}
	// Closing now would destroy bytes on their way to the program if it has
	// sent some that were not read. So say that no more come, and read on.
	closeWrite(r.local)
	r.local.SetReadDeadline(time.Now().Add(r.linger))
	<-up
	r.local.Close()
	return nil
}

// up carries local's bytes until it has no more, then discards what the far
// end does not take.
func (r *relay) up() {
	buf := make([]byte, copyBuffer)
	for {
		n, err := r.local.Read(buf)
		if n > 0 {
			if _, err := r.far.Write(buf[:n]); err != nil {
				io.Copy(io.Discard, r.local) // not into buf: smux may still look at it
				return
			}
		}
		if err == io.EOF {
			r.lastWord()
			return
		}
		if err != nil {
			r.leave() // a reset
			return
		}
	}
}

// lastWord starts the wait for silence: a FIN now would make the agent drop
// the target's answer.
func (r *relay) lastWord() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.left {
		r.silence = time.AfterFunc(r.linger, r.leave)
	}
}

// leave closes the stream, which sends the FIN behind what was written.
func (r *relay) leave() {
	r.mu.Lock()
	first := !r.left
	r.left = true
	if r.silence != nil {
		r.silence.Stop()
	}
	r.mu.Unlock()
	if first {
		r.far.Close() // in vain when the session is over; it needs no FIN then
	}
}

// down carries the far end's bytes until it ends. The error is nil when it
// said so itself, or when this end left it.
func (r *relay) down() (received int64, err error) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := r.read(buf)
		if n > 0 {
			received += int64(n)
			r.heard()
			if _, err := r.local.Write(buf[:n]); err != nil {
				return received, nil // the program has gone, and knows
			}
		}
		if err == nil {
			continue
		}
		r.mu.Lock()
		left := r.left
		r.mu.Unlock()
		if err == io.EOF || left {
			err = nil
		}
		return received, err
	}
}

// read is far's Read. When the session ends, smux chooses at random between
// that and what it still has, even the stream's own end: so ask more than once.
func (r *relay) read(buf []byte) (n int, err error) {
	for range 16 {
		if n, err = r.far.Read(buf); err == nil || err == io.EOF {
			return n, err
		}
	}
	return n, err
}

// heard restarts the wait for silence.
func (r *relay) heard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silence != nil && !r.left {
		r.silence.Reset(r.linger)
	}
}

// closeWrite tells the other end of a connection that no more bytes come; one
// that cannot is closed.
func closeWrite(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		conn.Close()
	}
}

// abort closes a connection so that the other end sees a failure.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// accept is l's Accept, but for errors that pass: without descriptors, say.
func accept(l net.Listener, over <-chan struct{}) (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		conn, err := l.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) || !passing(err) {
			return conn, err
		}
		select {
		case <-over:
			return nil, err
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

func passing(err error) bool {
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && temporary.Temporary()
}
