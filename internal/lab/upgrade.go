package lab

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// upgrade is the answer to a request for a websocket, and the connection that
// comes of it. It may be slow: it stops in its first line for a while, or for
// good. And it may be told to fall silent.
type upgrade struct {
	http.ResponseWriter
	ctx  context.Context
	slow time.Duration
	conn *quietConn // once there is one
}

// Hijack takes the connection over; it is called by the upgrade.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.conn = &quietConn{Conn: conn, ctx: u.ctx, slow: u.slow}
	return u.conn, rw, nil
}

// stall begins to answer and never goes on. It returns when the client hangs up,
// or with the lab.
func (u *upgrade) stall() {
	conn, _, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return
	}
	stop := context.AfterFunc(u.ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n")
	io.Copy(io.Discard, conn)
}

// quietConn is a connection that can fall silent: what is written is lost, and
// what comes is thrown away, pings too.
type quietConn struct {
	net.Conn
	ctx   context.Context
	slow  time.Duration // the first write stops in between; the upgrade's own
	quiet atomic.Bool
}

func (c *quietConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.quiet.Load() {
			return n, err
		}
	}
}

func (c *quietConn) Write(p []byte) (int, error) {
	if c.quiet.Load() {
		return len(p), nil
	}
	if c.slow == 0 || len(p) < 10 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:10])
	if err != nil {
		return n, err
	}
	linger(c.slow, c.ctx, c.ctx)
	c.slow = 0
	rest, err := c.Conn.Write(p[10:])
	return n + rest, err
}
