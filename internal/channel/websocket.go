package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"
)

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

// DialError says that the service refused to upgrade the connection.
type DialError struct {
	Status int // the HTTP status of the answer
	Err    error
}

func (e *DialError) Error() string { return e.Err.Error() + ": " + http.StatusText(e.Status) }
func (e *DialError) Unwrap() error { return e.Err }

// DialWebsocket opens a websocket at address exactly as given. ctx bounds only
// the dial.
func DialWebsocket(ctx context.Context, address string, opts WebsocketOptions) (Transport, error) {
	return nil, errors.New("dial: not implemented")
}

// AcceptWebsocket answers an upgrade request. The caller has checked Host and
// Origin: this does not. After an error the response was written.
func AcceptWebsocket(w http.ResponseWriter, r *http.Request) (Transport, error) {
	return nil, errors.New("accept: not implemented")
}
