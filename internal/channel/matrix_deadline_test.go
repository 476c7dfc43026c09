package channel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hole is a transport that takes what it is given and never says anything; one
// that is full does not even take.
type hole struct {
	full   bool
	closed chan struct{}
	once   sync.Once
}

func newHole(full bool) *hole { return &hole{full: full, closed: make(chan struct{})} }

func (h *hole) ReadFrame() (Frame, error) { <-h.closed; return Frame{}, io.ErrClosedPipe }
func (h *hole) WriteFrame(Frame) error {
	if h.full {
		<-h.closed
		return io.ErrClosedPipe
	}
	return nil
}
func (h *hole) Close() error { h.once.Do(func() { close(h.closed) }); return nil }

// TestMatrixBlackHoles: at each state of the protocol the other end falls silent,
// and the session ends at that state's deadline, with an error that names the
// layer, whom it waited for and how long.
func TestMatrixBlackHoles(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		layer  Layer
		after  time.Duration
		change func(*Config)
		play   func(*wire)
	}{
		"dial":              {LayerConnect, 30 * time.Second, func(c *Config) { c.Dial = func(ctx context.Context) (Transport, error) { return nil, hang(ctx) } }, nil},
		"open_data_channel": {LayerOpen, 30 * time.Second, func(c *Config) { c.Dial = func(context.Context) (Transport, error) { return newHole(true), nil } }, nil},
		"first message":     {LayerStart, time.Minute, nil, func(*wire) {}},
		"agent, handshake due": {LayerAgent, time.Minute, func(c *Config) { c.HandshakeDue = true },
			func(w *wire) { w.sendRaw(serviceMessage(TypeStartPublication, nil)) }},
		"agent, after input": {LayerAgent, time.Minute + 3*time.Second, nil, func(w *wire) {
			w.s.Write([]byte("ls\n"))
			w.sendRaw(serviceMessage(TypeStartPublication, nil))
		}},
		"handshake": {LayerHandshake, 30 * time.Second, nil, func(w *wire) { w.send(0, PayloadHandshakeRequest, requestSeparate) }},
		"KMS":       {LayerKey, 15 * time.Second, func(c *Config) { hangingKey(c) }, func(w *wire) { w.send(0, PayloadHandshakeRequest, requestKey) }},
		"challenge": {LayerChallenge, 15 * time.Second, func(c *Config) { c.TargetID, c.DataKey = refTarget, refDataKey },
			func(w *wire) { w.send(0, PayloadHandshakeRequest, requestKey) }},
		"idle": {LayerIdle, 40 * time.Minute, func(c *Config) { c.IdleTimeout = 40 * time.Minute },
			func(w *wire) { w.send(0, PayloadOutput, "$ ") }},
		"gap": {LayerGap, time.Second, nil, func(w *wire) { w.send(1, PayloadOutput, "x"); w.close("") }},
		"resume": {LayerConnection, 2 * time.Minute, func(c *Config) { c.Resume = func(ctx context.Context) (string, error) { return "", hang(ctx) } },
			func(w *wire) { w.send(0, PayloadOutput, "$ "); w.service.Close() }},
		"dial again": {LayerConnection, 2 * time.Minute, func(c *Config) {
			dial, first := c.Dial, true
			c.Resume = func(context.Context) (string, error) { return "token-1", nil }
			c.Dial = func(ctx context.Context) (Transport, error) {
				if first {
					first = false
					return dial(ctx)
				}
				return nil, hang(ctx)
			}
		}, func(w *wire) { w.send(0, PayloadOutput, "$ "); w.service.Close() }},
		"silent connections again": {LayerConnection, 4 * time.Minute, func(c *Config) {
			dial, first := c.Dial, true
			c.Resume = func(context.Context) (string, error) { return "token-1", nil }
			c.ResumeTimeout = 4 * time.Minute
			c.Dial = func(ctx context.Context) (Transport, error) {
				if first {
					first = false
					return dial(ctx)
				}
				return newHole(false), nil
			}
		}, func(w *wire) {
			w.send(0, PayloadOutput, "$ ")
			w.s.Write([]byte("ls\n"))
			w.service.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var err error
				if c.play == nil {
					cfg := Config{SessionID: "s-1", Token: "token"}
					c.change(&cfg)
					_, err = Connect(t.Context(), cfg)
				} else {
					change := c.change
					if change == nil {
						change = func(*Config) {}
					}
					w := byHand(t, change)
					c.play(w)
					if c.layer == LayerKey { // the agent ends such a session
						time.Sleep(20 * time.Second)
						w.close("failed on client")
					}
					err = w.s.Wait(context.Background())
					start = start.Add(map[bool]time.Duration{true: 5 * time.Second}[c.layer == LayerKey])
				}
				if took := time.Since(start); took < c.after || took > c.after+time.Second {
					t.Errorf("ended after %v, want %v", took, c.after)
				}
				var timeout *TimeoutError
				if !errors.As(err, &timeout) || timeout.Layer != c.layer || !timeout.Timeout() ||
					timeout.After < c.after-4*time.Second || timeout.After > c.after+time.Second {
					t.Fatalf("ended with %+v", err)
				}
				for _, want := range []string{"timed out after ", string(c.layer), "session s-1"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
			})
		})
	}
}

const requestKey = `{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}},` +
	`{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/ssm","Challenge":"AAAA"}}]}`

func hangingKey(c *Config) {
	c.TargetID = refTarget
	c.DataKey = func(ctx context.Context, _ string, _ map[string]string) ([]byte, []byte, error) {
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
}

// TestMatrixSilentListener: the layers below the websocket, on loopback.
func TestMatrixSilentListener(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const limit = 100 * time.Millisecond
	short := WebsocketOptions{TLSTimeout: limit, UpgradeTimeout: limit}
	wantLayer := func(t *testing.T, err error, layer Layer, host string, start time.Time) {
		t.Helper()
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || timeout.Layer != layer || timeout.Peer != host || timeout.After < limit {
			t.Errorf("got %v, want a timeout of %s", err, layer)
		}
		if took := time.Since(start); took > limit+time.Second {
			t.Errorf("it took %v", took)
		}
	}
	for scheme, layer := range map[string]Layer{"ws": LayerUpgrade, "wss": LayerTLS} {
		start := time.Now()
		_, err := DialWebsocket(t.Context(), scheme+"://"+silent.Addr().String()+"/", short)
		wantLayer(t, err, layer, silent.Addr().String(), start)

		// The caller's deadline names the layer, too; cancelling is prompt.
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err = DialWebsocket(ctx, scheme+"://"+silent.Addr().String()+"/", WebsocketOptions{})
		cancel()
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || timeout.Layer != layer || time.Since(start) > limit+time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(limit/2, cancel)
		if _, err := DialWebsocket(ctx, scheme+"://"+silent.Addr().String()+"/", WebsocketOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

// TestMatrixAnswerWithoutEnd: what answers the upgrade request is bounded.
func TestMatrixAnswerWithoutEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		for range 1 << 20 {
			if _, err := conn.Write([]byte("X-Header: something that goes on and on\r\n")); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	_, err := DialWebsocket(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), WebsocketOptions{})
	if !errors.As(err, new(*ProtocolError)) {
		t.Errorf("got %v", err)
	}
}
