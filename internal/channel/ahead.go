package channel

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// While data flows, a system call for each message would cost more than the
// message, and so would an answer to each: an acknowledgement, a write of its
// bytes. aheadConn reads many at a time and lets its reader know when it has
// nothing left, which is when the answers to all of them go out together. Nothing
// waits longer for that: as long as there are messages to work on, the next thing
// that the reader does is to work on them.

// aheadSizes are how much is read at once: more while each read fills what it was
// given. The last one is some fifty messages.
var aheadSizes = [...]int{0, 16 << 10, 64 << 10}

// openAllowance is what may be read until a websocket is open: certificates and
// the headers of an answer. Nothing of AWS's comes near.
const openAllowance = 256 << 10

var errLongAnswer = &ProtocolError{Doing: "read answer to websocket request", Err: errors.New("it has no end")}

var aheadBuffers = [len(aheadSizes)]sync.Pool{
	1: {New: func() any { return newAheadBuffer(1) }},
	2: {New: func() any { return newAheadBuffer(2) }},
}

func newAheadBuffer(level int) *[]byte {
	b := make([]byte, aheadSizes[level])
	return &b
}

// aheadConn is a connection that reads ahead while data flows. It sits below TLS,
// which is where system calls are made. All of it is its reader's own.
type aheadConn struct {
	net.Conn

	// beforeWait is called before each read that may wait; nil: nobody wants to
	// know. What it fails with is what the read fails with.
	beforeWait func() error

	ahead  []byte  // read, not yet returned; a part of buffer
	buffer *[]byte // nil: none
	level  int     // of buffer; index of aheadSizes
	busy   int     // how far ahead the next read goes; as level

	// allowance is how much may still be read before the websocket is open,
	// when nothing else limits an answer; 0 is no limit, and less is used up.
	allowance int
}

// aheadOf finds the aheadConn of a connection.
func aheadOf(conn net.Conn) (*aheadConn, bool) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	ahead, ok := conn.(*aheadConn)
	return ahead, ok
}

// Read returns what was read ahead, or reads.
func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	if c.beforeWait != nil {
		if err := c.beforeWait(); err != nil {
			return 0, err
		}
	}
	if c.allowance != 0 {
		return c.readAllowed(p)
	}
	if len(p) >= aheadSizes[c.busy] {
		c.put()
		n, err := c.Conn.Read(p)
		c.learn(n, len(p), len(p))
		return n, err
	}
	c.take(c.busy)
	n, err := c.Conn.Read(*c.buffer)
	c.learn(n, len(*c.buffer), len(p))
	if n == 0 {
		return 0, err
	}
	c.ahead = (*c.buffer)[:n]
	n = copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil // an error comes again
}

// readAllowed reads an answer to the websocket's request, and not for ever.
func (c *aheadConn) readAllowed(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.allowance = max(-1, c.allowance-n); c.allowance <= 0 {
		c.allowance = -1
		return 0, errLongAnswer
	}
	return n, err
}

// learn chooses how far ahead the next read goes, by what this one brought: a
// quiet connection keeps no buffer.
func (c *aheadConn) learn(n, size, asked int) {
	switch {
	case n == size:
		c.busy = min(c.busy+1, len(aheadSizes)-1)
	case c.busy > 1:
		c.busy = 1
	case n <= asked:
		c.busy = 0
	}
}

// take takes the buffer of a level.
func (c *aheadConn) take(level int) {
	if c.buffer != nil && c.level == level {
		return
	}
	c.put()
	c.buffer, c.level = aheadBuffers[level].Get().(*[]byte), level
}

// put gives the buffer back.
func (c *aheadConn) put() {
	if c.buffer != nil {
		aheadBuffers[c.level].Put(c.buffer)
		c.buffer, c.ahead = nil, nil
	}
}
