package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

const (
	// defaultTimeout is the AWS CLI's, for connecting and for reading.
	defaultTimeout = 60 * time.Second

	// maxConns is how many connections to one endpoint a Fleet keeps. StartSession
	// is paced, so this is for a lab without a start rate and for many sessions
	// that end at once: beyond it calls wait for a warm connection, which costs
	// less than another TLS handshake.
	maxConns = 128

	// idleConnTimeout is shorter than what AWS's endpoints and the usual proxies
	// keep a silent connection for. A request written into a connection that
	// the other end is just closing has an unknown fate, and for StartSession
	// that is an ambiguous start.
	idleConnTimeout = 20 * time.Second
)

// trust returns the TLS configuration that the API and the data channels
// share, with one cache of TLS sessions. With bundles their certificates are
// trusted and the system's are not, as the AWS CLI has it.
func trust(noVerify bool, bundles ...string) (*tls.Config, error) {
	conf := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(64),
		InsecureSkipVerify: noVerify,
	}
	for _, path := range bundles {
		if path == "" {
			continue
		}
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read CA bundle: %w", err)
		}
		if conf.RootCAs == nil {
			conf.RootCAs = x509.NewCertPool()
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA bundle %s: no certificate in PEM form in it", path)
		}
	}
	return conf, nil
}

// newTransport returns the one HTTP transport of a Fleet: HTTP/1.1, so that the
// trace of a request says whether it was written, and as many warm connections
// as it ever opened.
func (f *Fleet) newTransport(conf *tls.Config) *http.Transport {
	tr := &http.Transport{
		Proxy:                 f.proxy,
		DialContext:           f.dialAPI,
		TLSClientConfig:       conf.Clone(),
		TLSHandshakeTimeout:   f.connectTimeout(),
		ResponseHeaderTimeout: f.readTimeout(),
		MaxConnsPerHost:       maxConns,
		MaxIdleConnsPerHost:   maxConns,
		IdleConnTimeout:       idleConnTimeout,
		DisableCompression:    true,
		Protocols:             new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(true)
	return tr
}

// dialAPI connects as data channels do.
func (f *Fleet) dialAPI(ctx context.Context, network, address string) (net.Conn, error) {
	if limit := f.connectTimeout(); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return channel.DialNetwork(ctx, network, address)
}

// newClient wraps a transport: no redirect is followed, because a signed
// request, or the answer to one, belongs to one host only.
func (f *Fleet) newClient(rt http.RoundTripper) *http.Client {
	rt = timed{rt}
	client := &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if f.connectTimeout() > 0 && f.readTimeout() > 0 {
		client.Timeout = f.connectTimeout() + f.readTimeout()
	}
	if f.logger.Enabled(context.Background(), slog.LevelDebug) {
		client.Transport = traced{rt, f.logger}
	}
	return client
}

func (f *Fleet) connectTimeout() time.Duration { return timeout(f.opts.ConnectTimeout) }
func (f *Fleet) readTimeout() time.Duration    { return timeout(f.opts.ReadTimeout) }

// timeout maps an option to what net and net/http take, where 0 means none.
func timeout(option time.Duration) time.Duration {
	switch {
	case option == 0:
		return defaultTimeout
	case option < 0:
		return 0
	}
	return option
}

// timed says which layer of a call took too long, and for how long.
type timed struct{ next http.RoundTripper }

func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() {
		return resp, err
	}
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	layer := channel.Layer("an answer to " + cmp.Or(operation, "the request"))
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		layer = channel.LayerConnect
	} else if strings.Contains(err.Error(), "TLS handshake timeout") { // net/http gives it no type
		layer = channel.LayerTLS
	}
	timeout := &channel.TimeoutError{Layer: layer, Peer: req.URL.Host, After: time.Since(start)}
	if req.Context().Err() != nil {
		timeout.Err = err // the caller's deadline, which it looks for
	}
	return resp, timeout
}

// CloseIdleConnections lets http.Client reach the transport below.
func (t timed) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// traced writes one debug line a request: what was called, how it ended, how
// long it took. Bodies, headers and URLs are left out: they hold tokens.
type traced struct {
	next   http.RoundTripper
	logger *slog.Logger
}

func (t traced) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	resp, err := t.next.RoundTrip(req)
	attrs := []any{"operation", operation, "host", req.URL.Host, "duration", time.Since(start)}
	if err != nil {
		t.logger.Debug("aws call", append(attrs, "error", err)...)
		return resp, err
	}
	t.logger.Debug("aws call", append(attrs, "status", resp.StatusCode,
		"request_id", resp.Header.Get("X-Amzn-Requestid"))...)
	return resp, nil
}

// CloseIdleConnections lets http.Client reach the transport below.
func (t traced) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
