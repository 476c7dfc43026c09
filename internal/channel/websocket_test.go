package channel

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// serveAgent serves an agent's channel over real websockets on loopback.
func serveAgent(t testing.TB, a *Agent, secure bool) (address string, opts WebsocketOptions) {
	t.Helper()
	return serve(t, func() *Agent { return a }, secure)
}

// serveAgents gives each connection the next agent, over TLS.
func serveAgents(t testing.TB, agents <-chan *Agent) (address string, opts WebsocketOptions) {
	t.Helper()
	return serve(t, func() *Agent { return <-agents }, true)
}

func serve(t testing.TB, next func() *Agent, secure bool) (address string, opts WebsocketOptions) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transport, err := AcceptWebsocket(w, r)
		if err != nil {
			return
		}
		next().Attach(r.Context(), transport, nil)
	}))
	if secure {
		server.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		opts.TLS = &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http"), opts
}

func TestASessionOverARealWebsocket(t *testing.T) {
	for name, secure := range map[string]bool{"ws": false, "wss": true} {
		t.Run(name, func(t *testing.T) {
			var input recorder
			a := NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: NonInteractiveCommands,
				Input: func(_ PayloadType, p []byte) error { _, err := input.Write(p); return err }})
			address, opts := serveAgent(t, a, secure)
			var stdout, stderr recorder
			s, err := Connect(t.Context(), Config{
				SessionID: "s-1", Token: "token", Stdout: &stdout, Stderr: &stderr,
				Dial: func(ctx context.Context) (Transport, error) { return DialWebsocket(ctx, address, opts) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			in, out := strings.Repeat("i", 300<<10), strings.Repeat("o", 3<<20)
			wrote := make(chan error)
			go func() { _, err := s.Write([]byte(in)); wrote <- err }()
			if err := a.Stdout([]byte(out)); err != nil {
				t.Fatal(err)
			}
			a.Stderr([]byte("e"))
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			s.stream.drained(func() bool { return false })
			a.Exit(9)
			a.Close("")
			wantExit(t, s.Wait(t.Context()), 9)
			if stdout.String() != out || stderr.String() != "e" || input.String() != in {
				t.Errorf("got %d, %d and %d bytes", len(stdout.String()), len(stderr.String()), len(input.String()))
			}
		})
	}
}

func TestDialTellsTheStatusOfARefusal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	_, err := DialWebsocket(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), WebsocketOptions{})
	var refused *DialError
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "http://127.0.0.1/", "://"} {
		if _, err := DialWebsocket(t.Context(), bad, WebsocketOptions{}); err == nil {
			t.Errorf("dialled %q", bad)
		}
	}
}

// socketPair joins two websockets over net.Pipe, for a bubble's fake time.
func socketPair(t *testing.T, opts WebsocketOptions) (client *socket, server *websocket.Conn) {
	t.Helper()
	near, far := net.Pipe()
	accepted := make(chan *websocket.Conn)
	go func() {
		var conn *websocket.Conn
		http.Serve(&oneConn{conn: far}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var upgrader websocket.Upgrader
			conn, _ = upgrader.Upgrade(w, r, nil)
			accepted <- conn
		}))
	}()
	dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
		return &aheadConn{Conn: near}, nil
	}}
	conn, _, err := dialer.DialContext(t.Context(), "ws://node.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	client = newSocket(conn, opts)
	client.client = true
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// oneConn is a listener with a single connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func TestADeadConnectionFailsItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := socketPair(t, WebsocketOptions{PingInterval: 10 * time.Second, PongTimeout: 5 * time.Second, WriteTimeout: time.Second})
		alive := make(chan struct{})
		go func() { // answers pings for a while
			defer close(alive)
			server.SetReadDeadline(time.Now().Add(time.Minute))
			for {
				if _, _, err := server.ReadMessage(); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		_, err := client.ReadFrame()
		if took := time.Since(start); err == nil || took < time.Minute || took > time.Minute+20*time.Second {
			t.Errorf("read failed after %v: %v", took, err)
		}
		<-alive
	})
}

func TestAReaderThatWasAwayFindsItsConnectionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := socketPair(t, WebsocketOptions{PingInterval: 10 * time.Second, PongTimeout: 5 * time.Second})
		go server.WriteMessage(websocket.BinaryMessage, []byte("one"))
		if _, err := client.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // a slow writer
		go server.WriteMessage(websocket.BinaryMessage, []byte("two"))
		frame, err := client.ReadFrame()
		if err != nil || string(frame.Data) != "two" {
			t.Errorf("got %q, %v", frame.Data, err)
		}
	})
}

func TestAFrameThatIsTooLargeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := socketPair(t, WebsocketOptions{})
		go server.WriteMessage(websocket.BinaryMessage, make([]byte, readLimit+1))
		if _, err := client.ReadFrame(); !errors.Is(err, websocket.ErrReadLimit) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAReaderIsToldBeforeEachWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := socketPair(t, WebsocketOptions{})
		refuse := errors.New("no more")
		waits := 0
		if !client.BeforeWait(func() error {
			if waits++; waits == 3 {
				return refuse
			}
			return nil
		}) {
			t.Fatal("the socket cannot tell")
		}
		for want := range 2 {
			var wire []byte
			for range 3 {
				wire = appendFrame(wire, websocket.BinaryMessage, false, []byte("x"))
			}
			go server.NetConn().Write(wire)
			for range 3 {
				if _, err := client.ReadFrame(); err != nil || waits != want+1 {
					t.Fatalf("%v, %d waits, want %d", err, waits, want+1)
				}
			}
		}
		if _, err := client.ReadFrame(); err != refuse {
			t.Errorf("got %v", err)
		}
	})
}

func TestManyFramesAreOneWrite(t *testing.T) {
	for _, masked := range []bool{true, false} {
		conn := &saidConn{said: strings.NewReader("")}
		var writes [][]byte
		s := socketOver(t, conn, masked)
		conn.record = func(p []byte) { writes = append(writes, append([]byte(nil), p...)) }
		var want [][]byte
		for _, n := range []int{0, 1, 7, 8, 9, 125, 126, 1<<16 - 1, 1 << 16, 3} {
			want = append(want, []byte(strings.Repeat("abcdefg", n/7+1))[:n])
		}
		if err := s.WriteFrames(want[:7]); err != nil || len(writes) != 1 {
			t.Fatalf("%v, %d writes, want one", err, len(writes))
		}
		if err := s.WriteFrames(want[7:]); err != nil || len(writes) > 4 {
			t.Fatalf("%v, %d writes of 128 KiB", err, len(writes)-1)
		}
		got := readByGorilla(t, bytes.Join(writes, nil), masked)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("masked=%v: %d frames differ from what was written", masked, len(got))
		}
	}
}

func TestNothingFollowsAWriteThatFailed(t *testing.T) {
	conn := &saidConn{said: strings.NewReader("")}
	s := socketOver(t, conn, true)
	broken := errors.New("broken")
	conn.fail = broken
	if err := s.WriteFrame(Frame{Data: []byte("x")}); err != broken {
		t.Fatalf("got %v", err)
	}
	conn.fail, conn.wrote = nil, 0
	if err := s.WriteFrame(Frame{Data: []byte("y")}); err != broken || conn.wrote != 0 {
		t.Errorf("got %v and %d bytes", err, conn.wrote)
	}
}
