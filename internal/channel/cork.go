package channel

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// Every message that arrives is answered by an acknowledgement. Writing each
// with a system call of its own would cost more than all the rest, so a reader
// writes them into a corkedConn, which lets them go together at the moment
// when the reader has nothing more to read. Nothing waits longer for that: as
// long as the reader has messages to work on, the next thing that it does is
// to answer them.

const (
	corkLimit  = 16 << 10 // held-back bytes; more are written at once
	aheadBytes = 16 << 10 // read at once while data flows
)

// openAllowance is what may be read until a websocket is open: certificates and
// the headers of an answer. Nothing of AWS's comes near.
const openAllowance = 256 << 10

var errLongAnswer = &ProtocolError{Doing: "read answer to websocket request", Err: errors.New("it has no end")}

var aheadBuffers = sync.Pool{New: func() any { return new([aheadBytes]byte) }}

// corkedConn is a connection whose writes can be held back until the next read
// that waits. It sits below TLS, which is where system calls are made.
type corkedConn struct {
	net.Conn
	writeTimeout time.Duration // of flush

	// The reader's own.
	ahead  []byte // read, not yet returned; a part of buffer
	buffer *[aheadBytes]byte
	busy   bool // the last read filled what it was given: more is likely there

	// allowance is how much may still be read before the websocket is open,
	// when nothing else limits an answer; 0 is no limit, and less is used up.
	allowance int

	mu      sync.Mutex // protects what follows, and keeps writes in order
	held    []byte
	holding bool
}

// corkOf finds the corkedConn of a connection.
func corkOf(conn net.Conn) (*corkedConn, bool) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	cork, ok := conn.(*corkedConn)
	return cork, ok
}

// hold makes writes wait for the next read, release ends that; what was held
// back goes on waiting.
func (c *corkedConn) hold()    { c.setHolding(true) }
func (c *corkedConn) release() { c.setHolding(false) }

func (c *corkedConn) setHolding(holding bool) {
	c.mu.Lock()
	c.holding = holding
	c.mu.Unlock()
}

// Write writes, behind what was held back.
func (c *corkedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holding && len(c.held) == 0 {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	if c.holding && len(c.held) < corkLimit {
		return len(p), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes what was held back. mu is held.
func (c *corkedConn) flush() error {
	if len(c.held) == 0 {
		return nil
	}
	// The deadline was set when the bytes were held back, perhaps long ago.
	if err := c.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return err
	}
	_, err := c.Conn.Write(c.held)
	c.held = c.held[:0]
	return err
}

// Read reads ahead while data flows, and lets go of what was held back before
// it waits.
func (c *corkedConn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	c.mu.Lock()
	err := c.flush()
	if !c.busy {
		c.held = nil // a quiet connection keeps no buffers
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if !c.busy || len(p) >= aheadBytes || c.allowance != 0 {
		c.put()
		n, err := c.Conn.Read(p)
		c.busy = n == len(p)
		if c.allowance != 0 {
			if c.allowance = max(-1, c.allowance-n); c.allowance <= 0 {
				c.allowance = -1
				return 0, errLongAnswer
			}
		}
		return n, err
	}
	if c.buffer == nil {
		c.buffer = aheadBuffers.Get().(*[aheadBytes]byte)
	}
	n, err := c.Conn.Read(c.buffer[:])
	c.busy = n > len(p)
	c.ahead = c.buffer[:n]
	if n > 0 {
		n = copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil // an error comes again
	}
	return 0, err
}

// put gives the buffer back.
func (c *corkedConn) put() {
	if c.buffer != nil {
		aheadBuffers.Put(c.buffer)
		c.buffer, c.ahead = nil, nil
	}
}
