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
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// readLimit refuses a frame before it is read: a header and the largest
	// payload, and some room for the text frame.
	readLimit = payloadOffset + maxPayload + 4<<10

	defaultDialTimeout  = 15 * time.Second
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
	// DialTimeout bounds TCP, TLS and the upgrade together. Default 15 s.
	DialTimeout time.Duration
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
// the dial. The error is a *DialError when there was an HTTP answer.
//
// The transport pings; a connection that is silent in spite of it fails its
// reader. A write that takes longer than WriteTimeout fails it too.
func DialWebsocket(ctx context.Context, address string, opts WebsocketOptions) (Transport, error) {
	dialer := websocket.Dialer{
		NetDialContext:   dialCorked,
		TLSClientConfig:  opts.TLS,
		Proxy:            opts.Proxy,
		HandshakeTimeout: orDefault(opts.DialTimeout, defaultDialTimeout),
		ReadBufferSize:   socketBuffer,
		WriteBufferSize:  socketBuffer,
		WriteBufferPool:  &writeBuffers,
	}
	if dialer.Proxy == nil {
		dialer.Proxy = http.ProxyFromEnvironment
	}
	conn, response, err := dialer.DialContext(ctx, address, opts.Header)
	if err != nil {
		if response != nil {
			return nil, &DialError{Status: response.StatusCode, Err: err}
		}
		return nil, err
	}
	return newSocket(conn, opts), nil
}

// AcceptWebsocket answers an upgrade request. The caller has checked Host and
// Origin: this does not. After an error the response was written.
func AcceptWebsocket(w http.ResponseWriter, r *http.Request) (Transport, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: defaultDialTimeout,
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

	frame    []byte    // the reader's own
	deadline time.Time // the reader's own: what conn's was set to

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
		return Frame{}, err
	}
	s.frame = s.frame[:0]
	for {
		if len(s.frame) == cap(s.frame) {
			s.frame = append(s.frame, make([]byte, 1<<10)...)[:len(s.frame)]
		}
		n, err := reader.Read(s.frame[len(s.frame):cap(s.frame)])
		s.frame = s.frame[:len(s.frame)+n]
		if err == io.EOF {
			return Frame{Text: kind == websocket.TextMessage, Data: s.frame}, nil
		}
		if err != nil {
			return Frame{}, err
		}
	}
}

// extend moves the read deadline: something showed that the other end lives.
func (s *socket) extend(now time.Time) error {
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
	return s.conn.WriteMessage(kind, frame.Data)
}

// sendPing runs on the timer's goroutine. A ping that cannot be written in
// time is not followed by a pong, and the read deadline does the rest.
func (s *socket) sendPing() {
	err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.writeTimeout))
	if err == nil || isTimeout(err) {
		s.pinger.Reset(s.ping)
	}
}

// answerPing is gorilla's own handler, with a deadline of ours. It runs in
// ReadFrame.
func (s *socket) answerPing(data string) error {
	if err := s.extend(time.Now()); err != nil {
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
