package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

// target is a real server on this machine; serve is given its connections.
func target(t testing.TB, serve func(*net.TCPConn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { defer conn.Close(); serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); work.Wait() })
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func echo(conn *net.TCPConn) { io.Copy(conn, conn) }

// unusedPort is one that nobody listens on.
func unusedPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// openPort starts a port session and connects to it.
func (l *Lab) openPort(t testing.TB, n *node, document string, parameters object) *channel.Session {
	t.Helper()
	started := l.ssm(t, "StartSession", object{"Target": n.id, "DocumentName": document, "Parameters": parameters})
	id := started["SessionId"].(string)
	s, err := channel.Connect(t.Context(), channel.Config{
		SessionID: id, Token: started["TokenValue"].(string), TakePort: true,
		Dial: func(ctx context.Context) (channel.Transport, error) {
			return channel.DialWebsocket(ctx, started["StreamUrl"].(string), channel.WebsocketOptions{})
		},
		Resume: func(context.Context) (string, error) {
			status, answer := l.try(t, "ResumeSession", object{"SessionId": id})
			if status != 200 {
				return "", channel.ErrSessionOver
			}
			return answer["TokenValue"].(string), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// forward opens a tunnel and returns its local address, and what ends it.
func forward(t testing.TB, s *channel.Session, opts tunnel.Options) (address string, end func() error) {
	t.Helper()
	listener, err := tunnel.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- tunnel.Forward(ctx, s, listener, opts) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error { cancel(); return <-result }
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func noise(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// exchange sends b to an echo and wants it back.
func exchange(conn *net.TCPConn, b []byte) error {
	sent := make(chan error, 1)
	go func() { _, err := conn.Write(b); sent <- err }()
	got := make([]byte, len(b))
	_, err := io.ReadFull(conn, got)
	if err == nil && !bytes.Equal(got, b) {
		err = errors.New("other bytes came back")
	}
	return errors.Join(err, <-sent)
}

func TestFiftyConnectionsThroughAForwardedPort(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Agent.Pacing = time.Millisecond
		spec.Faults = hclspec.Faults{Disconnect: hclspec.Trigger{Repeats: true, Messages: 600}, Seed: 3}
	})
	s := l.openPort(t, n, "AWS-StartPortForwardingSession", object{"portNumber": []string{target(t, echo)}})
	address, end := forward(t, s, tunnel.Options{})
	var work sync.WaitGroup
	for i := range 50 {
		work.Go(func() {
			conn := dial(t, address)
			defer conn.Close()
			if err := exchange(conn, noise(uint64(i), 2000+300*i)); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	work.Wait()
	if err := end(); err != nil {
		t.Error(err)
	}
	eventually(t, "the session ended by the flag", func() bool { return len(l.sessions.list(true)) == 0 })
	if info := l.Sessions()[0]; info.Status != "Terminated" || info.Type != "Port" || info.Opens < 2 {
		t.Errorf("session: %+v", info)
	}
}

func TestALargeTransferThroughARemoteHost(t *testing.T) {
	l, n := oneNode(t, nil)
	s := l.openPort(t, n, "AWS-StartPortForwardingSessionToRemoteHost",
		object{"host": []string{"127.0.0.1"}, "portNumber": []string{target(t, echo)}})
	address, end := forward(t, s, tunnel.Options{})
	conn := dial(t, address)
	if err := exchange(conn, noise(1, 8<<20)); err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestPeersThatCloseOneDirection(t *testing.T) {
	l, n := oneNode(t, nil)
	// It answers, closes its direction, and would go on to read.
	port := target(t, func(conn *net.TCPConn) {
		question := make([]byte, 8)
		io.ReadFull(conn, question)
		conn.Write(append(noise(2, 200_000), question...))
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	})
	s := l.openPort(t, n, "AWS-StartPortForwardingSession", object{"portNumber": []string{port}})
	address, end := forward(t, s, tunnel.Options{})
	for _, closes := range []bool{false, true} {
		conn := dial(t, address)
		io.WriteString(conn, "question")
		if closes {
			conn.CloseWrite()
		}
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, append(noise(2, 200_000), "question"...)) {
			t.Errorf("closes=%v: %d bytes, %v", closes, len(got), err)
		}
		conn.Close()
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestAPortThatRefuses(t *testing.T) {
	l, n := oneNode(t, nil)
	port := unusedPort(t)
	s := l.openPort(t, n, "AWS-StartPortForwardingSession", object{"portNumber": []string{port}})
	told := make(chan error, 1)
	address, end := forward(t, s, tunnel.Options{OnError: func(err error) { told <- err }})
	conn := dial(t, address)
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("a refused connection ended with %v, want a reset", err)
	}
	conn.Close()
	var refused *tunnel.RefusedError
	if err := <-told; !errors.As(err, &refused) || refused.Port != port {
		t.Errorf("told %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}

	s = l.openPort(t, n, "AWS-StartSSHSession", object{"portNumber": []string{port}})
	in, keep := io.Pipe()
	defer keep.Close()
	var ended *tunnel.EndedError
	if err := tunnel.Stdio(t.Context(), s, in, io.Discard, tunnel.Options{}); !errors.As(err, &ended) || !ended.Silent || ended.Output != "" {
		t.Errorf("ssh: %v", err)
	}
}

func TestALabForwardsToThisMachineOnly(t *testing.T) {
	l, n := oneNode(t, nil)
	for host, text := range map[string]string{
		"169.254.169.254": "Forwarding to IP address 169.254.169.254 is forbidden.",
		"192.0.2.1":       "", // an address for documentation: it is not even tried
	} {
		s := l.openPort(t, n, "AWS-StartPortForwardingSessionToRemoteHost", object{"host": []string{host}, "portNumber": []string{"80"}})
		told := make(chan error, 1)
		listener, err := tunnel.Listen(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			result <- tunnel.Forward(ctx, s, listener, tunnel.Options{OnError: func(err error) { told <- err }})
		}()
		if text == "" {
			conn := dial(t, listener.Addr().String())
			if err := <-told; !errors.As(err, new(*tunnel.RefusedError)) {
				t.Errorf("%s: %v", host, err)
			}
			conn.Close()
			cancel()
		}
		err = <-result
		cancel()
		var ended *tunnel.EndedError
		if text != "" && (!errors.As(err, &ended) || ended.Output != text) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestSSHSessionIsOnePlainStream(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Faults = hclspec.Faults{Disconnect: hclspec.Trigger{Repeats: true, Messages: 500}, Seed: 5}
	})
	want := noise(9, 300_000)
	port := target(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "SSH-2.0-target\r\n") // the server speaks first, and closes when it has all
		io.CopyN(conn, conn, int64(len(want)))
	})
	s := l.openPort(t, n, "AWS-StartSSHSession", object{"portNumber": []string{port}})
	var out bytes.Buffer
	in, typist := io.Pipe()
	defer typist.Close()
	go typist.Write(want)
	if err := tunnel.Stdio(t.Context(), s, in, &out, tunnel.Options{}); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "SSH-2.0-target\r\n"+string(want) {
		t.Errorf("%d bytes came, want %d", len(got), 16+len(want))
	}
}

func TestOldAgentsForwardOneConnectionAtATime(t *testing.T) {
	l, n := oneNode(t, nil)
	port := target(t, echo)
	started := l.ssm(t, "StartSession", object{"Target": n.id, "DocumentName": "AWS-StartPortForwardingSession",
		"Parameters": object{"portNumber": []string{port}}})
	s, err := channel.Connect(t.Context(), channel.Config{
		SessionID: started["SessionId"].(string), Token: started["TokenValue"].(string), TakePort: true,
		ClientVersion: "1.1.60.0", // to which an agent gives a plain stream
		Dial: func(ctx context.Context) (channel.Transport, error) {
			return channel.DialWebsocket(ctx, started["StreamUrl"].(string), channel.WebsocketOptions{})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	address, end := forward(t, s, tunnel.Options{})
	for i := range 3 {
		conn := dial(t, address)
		if err := exchange(conn, fmt.Appendf(noise(uint64(i), 50_000), "connection %d", i)); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
		conn.Close()
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestTerminateSessionEndsATunnel(t *testing.T) {
	l, n := oneNode(t, nil)
	s := l.openPort(t, n, "AWS-StartPortForwardingSession", object{"portNumber": []string{target(t, echo)}})
	listener, err := tunnel.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- tunnel.Forward(t.Context(), s, listener, tunnel.Options{}) }()
	conn := dial(t, listener.Addr().String())
	defer conn.Close()
	if err := exchange(conn, []byte("up")); err != nil {
		t.Fatal(err)
	}
	l.ssm(t, "TerminateSession", object{"SessionId": s.ID()})
	if err := <-result; !errors.As(err, new(*tunnel.EndedError)) {
		t.Errorf("got %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}
