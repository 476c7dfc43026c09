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

	// socketBuffer holds some messages of the usual size. The write buffers
	// are shared by all connections that write at the same time.
	socketBuffer = 4 << 10
)

var writeBuffers sync.Pool

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
		WriteBufferPool: &writeBuffers,
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
	d.cork.allowance = 0
	return newSocket(conn, opts), nil
}

// AcceptWebsocket answers an upgrade request. The caller has checked Host and
// Origin: this does not. After an error the response was written.
func AcceptWebsocket(w http.ResponseWriter, r *http.Request) (Transport, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: acceptTimeout,
		ReadBufferSize:   socketBuffer,
		WriteBufferSize:  socketBuffer,
		WriteBufferPool:  &writeBuffers,
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
	cork         *corkedConn // nil: not ours
	writeTimeout time.Duration
	ping, pong   time.Duration

	peer string

	// The reader's own.
	frame    []byte
	deadline time.Time // what conn's was set to
	inside   bool      // a message has begun: its deadline stays
	begun    time.Time // when it has
	pings    allowance // of the other end's

	writing sync.Mutex // held while a frame is written
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
	if cork, ok := corkOf(conn.NetConn()); ok {
		s.cork, cork.writeTimeout = cork, s.writeTimeout
	}
	conn.SetReadLimit(readLimit)
	conn.SetPongHandler(func(string) error { return s.extend(time.Now()) })
	conn.SetPingHandler(s.answerPing)
	s.pinger = time.AfterFunc(s.ping, s.sendPing)
	return s
}

// ReadFrame reads the next message into the socket's own buffer.
func (s *socket) ReadFrame() (Frame, error) {
	// The reader may have been away for long, with a slow writer: only the
	// time that is spent here counts. Moving the deadline costs; once in a
	// while is enough.
	if now := time.Now(); s.deadline.Sub(now) < s.pong+s.ping/2 {
		if err := s.extend(now); err != nil {
			return Frame{}, err
		}
	}
	kind, reader, err := s.conn.NextReader()
	if err != nil {
		return Frame{}, s.readError(err)
	}
	s.inside, s.begun = true, time.Now()
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

// WriteFrame writes the frame, and what was held back before it.
func (s *socket) WriteFrame(frame Frame) error { return s.write(frame, false) }

// WriteLater writes the frame at the latest when ReadFrame is about to wait.
func (s *socket) WriteLater(frame Frame) error { return s.write(frame, s.cork != nil) }

func (s *socket) write(frame Frame, later bool) error {
	kind := websocket.BinaryMessage
	if frame.Text {
		kind = websocket.TextMessage
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if later {
		s.cork.hold()
		defer s.cork.release()
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.writeTimeout)); err != nil {
		return err
	}
	err := s.conn.WriteMessage(kind, frame.Data)
	if isTimeout(err) {
		return &TimeoutError{Layer: LayerWrite, Peer: s.peer, After: s.writeTimeout}
	}
	return err
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
