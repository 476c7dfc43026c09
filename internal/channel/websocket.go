package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// readLimit refuses a frame before it is read: a header and the largest
	// payload, and some room for the text frame.
	readLimit = payloadOffset + maxPayload + 4<<10

	defaultDialTimeout  = 10 * time.Second // of each layer
	acceptTimeout       = 15 * time.Second
	defaultWriteTimeout = 15 * time.Second
	defaultPing         = 30 * time.Second
	defaultPong         = 15 * time.Second

	// socketBuffer holds some messages of the usual size. What gorilla writes is
	// short.
	socketBuffer = 4 << 10
)

// controlBuffers are gorilla's, and shared by all connections.
var controlBuffers sync.Pool

// WebsocketOptions says how to dial. The zero value works.
type WebsocketOptions struct {
	// Header is sent with the upgrade request (a signature, say).
	Header http.Header
	// TLS is used as it is. Share one with a ClientSessionCache between dials:
	// resuming saves most of the cost of a TLS handshake. Nil: the defaults.
	TLS *tls.Config
	// Proxy chooses a proxy for the upgrade request. Nil: that of the
	// environment, http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// ConnectTimeout bounds the name's lookup and TCP, with a proxy's consent
	// where there is one. Default 10 s.
	ConnectTimeout time.Duration
	// TLSTimeout bounds the TLS handshake. Default 10 s.
	TLSTimeout time.Duration
	// UpgradeTimeout bounds the wait for the answer to the upgrade request.
	// Default 10 s.
	UpgradeTimeout time.Duration
	// WriteTimeout bounds the writing of one frame. Default 15 s.
	WriteTimeout time.Duration
	// PingInterval is the time between pings. Default 30 s.
	PingInterval time.Duration
	// PongTimeout is how long after PingInterval without any frame or pong
	// the connection counts as dead. Default 15 s.
	PongTimeout time.Duration
}

// DialError says that the service answered, but not with an upgrade.
type DialError struct {
	Status int // of the HTTP response
	Err    error
}

func (e *DialError) Error() string { return fmt.Sprintf("%v: status %d", e.Err, e.Status) }
func (e *DialError) Unwrap() error { return e.Err }

// DialWebsocket opens a websocket at address exactly as given. ctx bounds only
// the dial. The error is a *DialError when there was an HTTP answer, and a
// *TimeoutError that names the layer when one took too long.
//
// The transport pings; a connection that is silent in spite of it fails its
// reader with a *TimeoutError. A write that takes longer than WriteTimeout fails
// it too.
func DialWebsocket(ctx context.Context, address string, opts WebsocketOptions) (Transport, error) {
	d := newDialing(opts)
	dialer := websocket.Dialer{
		NetDialContext:  d.connect,
		TLSClientConfig: opts.TLS,
		Proxy:           opts.Proxy,
		ReadBufferSize:  socketBuffer,
		WriteBufferSize: socketBuffer,
		WriteBufferPool: &controlBuffers,
	}
	if dialer.Proxy == nil {
		dialer.Proxy = http.ProxyFromEnvironment
	}
	ctx, stop := d.begin(ctx, address)
	conn, response, err := dialer.DialContext(ctx, address, opts.Header)
	stop()
	if err = d.explain(ctx, err); err != nil {
		if conn != nil {
			conn.Close() // it was ready as its time was over
		}
		if response != nil && !errors.As(err, new(*TimeoutError)) {
			return nil, &DialError{Status: response.StatusCode, Err: err}
		}
		return nil, err
	}
	d.ahead.allowance = 0
	s := newSocket(conn, opts)
	s.client = true
	return s, nil
}

// AcceptWebsocket answers an upgrade request. The caller has checked Host and
// Origin: this does not. After an error the response was written.
func AcceptWebsocket(w http.ResponseWriter, r *http.Request) (Transport, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: acceptTimeout,
		ReadBufferSize:   socketBuffer,
		WriteBufferSize:  socketBuffer,
		WriteBufferPool:  &controlBuffers,
		CheckOrigin:      func(*http.Request) bool { return true },
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, fmt.Errorf("accept websocket: %w", err)
	}
	return newSocket(conn, WebsocketOptions{}), nil
}

func orDefault(d, byRule time.Duration) time.Duration {
	if d == 0 {
		return byRule
	}
	return d
}

// socket is a websocket as a Transport.
type socket struct {
	conn         *websocket.Conn
	client       bool       // masks what it writes
	ahead        *aheadConn // nil: not ours
	writeTimeout time.Duration
	ping, pong   time.Duration

	peer string

	// The reader's own.
	frame    []byte
	deadline time.Time // what conn's was set to
	inside   bool      // a message has begun: its deadline stays
	begun    time.Time // when it has, or the first wait for the rest of it
	settle   func() error
	pings    allowance // of the other end's

	writing sync.Mutex // held while frames are written
	broken  error      // why nothing can be written any more; guarded by writing

	closing sync.Once
	closed  error
	pinger  *time.Timer
}

func newSocket(conn *websocket.Conn, opts WebsocketOptions) *socket {
	s := &socket{
		conn:         conn,
		writeTimeout: orDefault(opts.WriteTimeout, defaultWriteTimeout),
		ping:         orDefault(opts.PingInterval, defaultPing),
		pong:         orDefault(opts.PongTimeout, defaultPong),
		peer:         conn.RemoteAddr().String(),
		pings:        allowance{left: pingBurst},
	}
	if ahead, ok := aheadOf(conn.NetConn()); ok {
		s.ahead, ahead.beforeWait = ahead, s.aboutToWait
	}
	conn.SetReadLimit(readLimit)
	conn.SetPongHandler(func(string) error { return s.extend(time.Now()) })
	conn.SetPingHandler(s.answerPing)
	s.pinger = time.AfterFunc(s.ping, s.sendPing)
	return s
}

// ReadFrame reads the next message into the socket's own buffer.
func (s *socket) ReadFrame() (Frame, error) {
	if s.ahead == nil {
		if err := s.aboutToWait(); err != nil {
			return Frame{}, err
		}
	}
	kind, reader, err := s.conn.NextReader()
	if err != nil {
		return Frame{}, s.readError(err)
	}
	s.inside, s.begun = true, time.Time{}
	if s.ahead == nil {
		s.begun = time.Now()
	}
	s.frame = s.frame[:0]
	for {
		if len(s.frame) == cap(s.frame) {
			s.frame = slices.Grow(s.frame, max(cap(s.frame), 1<<10))
		}
		n, err := reader.Read(s.frame[len(s.frame):cap(s.frame)])
		s.frame = s.frame[:len(s.frame)+n]
		if err == io.EOF {
			s.inside = false
			return Frame{Text: kind == websocket.TextMessage, Data: s.frame}, nil
		}
		if err != nil {
			return Frame{}, s.readError(err)
		}
	}
}

// BeforeWait has f called by each ReadFrame that is about to wait; by then it may
// have read a part of a frame. What f fails with is what ReadFrame fails with. It
// reports whether it can do so.
func (s *socket) BeforeWait(f func() error) bool {
	s.settle = f
	return s.ahead != nil
}

// aboutToWait is called before each read that may wait. The reader may have been
// away for long, with a slow writer: only the time that it spends reading counts.
// Moving the deadline costs; once in a while is enough.
func (s *socket) aboutToWait() error {
	now := time.Now()
	if s.ahead != nil && s.settle != nil {
		before := now
		if err := s.settle(); err != nil {
			return err
		}
		if now = time.Now(); s.inside && now.Sub(before) > s.pong/4 {
			s.deadline = s.deadline.Add(now.Sub(before))
			return s.conn.SetReadDeadline(s.deadline)
		}
	}
	if s.inside {
		if s.begun.IsZero() {
			s.begun = now
		}
		return nil
	}
	if s.deadline.Sub(now) < s.pong+s.ping/2 {
		return s.extend(now)
	}
	return nil
}

// readError says what went wrong in the words of the channel: a frame that is
// too large is nothing that another connection would cure.
func (s *socket) readError(err error) error {
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return &ProtocolError{Doing: "read message", Err: err}
	case isTimeout(err) && s.inside:
		return &TimeoutError{Layer: LayerFrame, Peer: s.peer, After: time.Since(s.begun)}
	case isTimeout(err):
		return &TimeoutError{Layer: LayerPong, Peer: s.peer, After: s.ping + s.pong}
	}
	return err
}

// extend moves the read deadline: something showed that the other end lives. Not
// within a message, though: one that comes byte by byte, or in fragments without
// end, must be whole in the time that is left, which is PongTimeout or more.
func (s *socket) extend(now time.Time) error {
	if s.inside {
		return nil
	}
	s.deadline = now.Add(s.ping + s.pong)
	return s.conn.SetReadDeadline(s.deadline)
}

// sendPing runs on the timer's goroutine. A ping that cannot be written in
// time is not followed by a pong, and the read deadline does the rest.
func (s *socket) sendPing() {
	err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.writeTimeout))
	if err == nil || isTimeout(err) {
		s.pinger.Reset(s.ping)
	}
}

// A peer pings a few times a minute. More than this is a flood.
const (
	pingBurst = 100
	pingRate  = 10 // a second
)

// allowance is so much that may happen at once, and at a rate in the long run.
type allowance struct {
	left float64
	at   time.Time
}

// spend takes one, and reports whether there was one.
func (a *allowance) spend(now time.Time) bool {
	if !a.at.IsZero() {
		a.left = min(pingBurst, a.left+pingRate*now.Sub(a.at).Seconds())
	}
	a.at = now
	a.left--
	return a.left >= 0
}

var errPingFlood = &ProtocolError{Doing: "read message", Err: errors.New("a flood of pings")}

// answerPing is gorilla's own handler, with a deadline of ours and a limit. It
// runs in ReadFrame.
func (s *socket) answerPing(data string) error {
	now := time.Now()
	if !s.pings.spend(now) {
		return errPingFlood
	}
	if err := s.extend(now); err != nil {
		return err
	}
	err := s.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(s.writeTimeout))
	if err == websocket.ErrCloseSent || isTimeout(err) {
		return nil
	}
	return err
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// Close drops the connection, without the websocket's farewell: the channel
// has its own.
func (s *socket) Close() error {
	s.closing.Do(func() {
		s.pinger.Stop()
		s.closed = s.conn.Close()
	})
	return s.closed
}
