package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// dialing is one dial of a websocket, layer by layer: each has a deadline of its
// own, and what ends the dial is an error that names the layer. The dialer below
// looks at no context once it waits for an answer, so the end of a layer closes
// the connection under it.
type dialing struct {
	limits map[Layer]time.Duration
	secure bool
	peer   string
	ahead  *aheadConn // set by connect, before the dial returns

	mu    sync.Mutex // protects what follows
	layer Layer
	since time.Time
	timer *time.Timer
	ctx   context.Context // of the dial
	end   context.CancelCauseFunc
	over  bool
}

func newDialing(opts WebsocketOptions) *dialing {
	return &dialing{limits: map[Layer]time.Duration{
		LayerConnect: orDefault(opts.ConnectTimeout, defaultDialTimeout),
		LayerTLS:     orDefault(opts.TLSTimeout, defaultDialTimeout),
		LayerUpgrade: orDefault(opts.UpgradeTimeout, defaultDialTimeout),
	}}
}

// begin returns the context of the dial. stop is to be called when the dial has
// returned.
func (d *dialing) begin(ctx context.Context, address string) (_ context.Context, stop func()) {
	if u, err := url.Parse(address); err == nil {
		d.peer, d.secure = u.Host, u.Scheme == "wss"
	}
	d.ctx, d.end = context.WithCancelCause(ctx)
	d.enter(LayerConnect)
	return httptrace.WithClientTrace(d.ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if d.secure {
				d.enter(LayerTLS)
			} else {
				d.enter(LayerUpgrade)
			}
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				d.enter(LayerUpgrade)
			}
		},
	}), d.stop
}

// enter goes on to the next layer.
func (d *dialing) enter(layer Layer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.layer, d.since = layer, time.Now()
	limit := d.limits[layer]
	d.timer = time.AfterFunc(limit, func() {
		d.mu.Lock()
		current := d.layer == layer && !d.over
		d.mu.Unlock()
		if current {
			d.end(&TimeoutError{Layer: layer, Peer: d.peer, After: limit})
		}
	})
}

// stop ends the deadlines: the dial has returned.
func (d *dialing) stop() {
	d.mu.Lock()
	d.over = true
	d.timer.Stop()
	d.mu.Unlock()
}

// explain is why the dial failed: the deadline of a layer, the caller's, or err.
func (d *dialing) explain(ctx context.Context, err error) error {
	defer d.end(nil)
	cause := context.Cause(ctx)
	switch {
	case err != nil && d.ahead != nil && d.ahead.allowance < 0:
		return errLongAnswer
	case cause == nil && !isTimeout(err):
		return err
	case cause == nil || errors.Is(cause, context.DeadlineExceeded):
		return &TimeoutError{Layer: d.layer, Peer: d.peer, After: time.Since(d.since)}
	}
	return cause
}

// connect makes the TCP connection. Its end is the dial's.
func (d *dialing) connect(_ context.Context, network, address string) (net.Conn, error) {
	conn, err := DialNetwork(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.ahead = &aheadConn{Conn: conn, allowance: openAllowance}
	// It must close the connection of a dial that is over, and of no other.
	context.AfterFunc(d.ctx, func() {
		d.mu.Lock()
		over := d.over
		d.mu.Unlock()
		if !over {
			conn.Close()
		}
	})
	return d.ahead, nil
}

// dialAgain is when another try to connect is started beside those that wait.
const dialAgain = 1500 * time.Millisecond

// dialTries is how many tries may wait at a time.
const dialTries = 8

// DialNetwork connects as net.Dialer does, but for a network that drops what it
// is sent: every second and a half it tries anew, the older tries go on, and the
// first that connects wins. The kernel alone waits twice as long for each next
// packet, and so finds out late that a network has healed.
func DialNetwork(ctx context.Context, network, address string) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan dialed)
	tries := 0
	try := func() {
		tries++
		go func() {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, network, address)
			results <- dialed{conn, err}
		}()
	}
	again := time.NewTicker(dialAgain)
	defer again.Stop()
	var won dialed
	for try(); won.conn == nil && won.err == nil; {
		select {
		case won = <-results:
			tries--
		case <-again.C:
			if tries < dialTries {
				try()
			}
		}
	}
	cancel()
	for ; tries > 0; tries-- { // they end at once
		if r := <-results; r.conn != nil {
			r.conn.Close()
		}
	}
	return won.conn, won.err
}
