package tunnel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

func bytesOf(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// exchange writes b to an echo and wants it back.
func exchange(conn net.Conn, b []byte) error {
	sent := make(chan error, 1)
	go func() { _, err := conn.Write(b); sent <- err }()
	got := make([]byte, len(b))
	_, err := io.ReadFull(conn, got)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if sha256.Sum256(got) != sha256.Sum256(b) {
		return errors.New("other bytes came back")
	}
	return nil
}

// Tests with many connections run in real time: smux keeps channels in a pool,
// which bubbles of synctest cannot share.

func TestFiftyConnectionsAtOnceArriveEqual(t *testing.T) {
	for name, faults := range map[string]func(int) channel.Faults{
		"good network": nil,
		"bad network": func(n int) channel.Faults {
			f := channel.Faults{Seed: uint64(n) + 1, Drop: 0.01, Duplicate: 0.05, Reorder: 0.05}
			if n < 3 {
				f.CutAfter = 700
			}
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := join(t, forwarding, "", faults, echo)
			listener, end := l.forward(Options{})
			var work sync.WaitGroup
			for i := range 50 {
				work.Go(func() {
					conn := listener.dial()
					defer conn.Close()
					if err := exchange(conn, bytesOf(uint64(i), 4000+700*i)); err != nil {
						t.Errorf("connection %d: %v", i, err)
					}
				})
			}
			work.Wait()
			if err := end(); err != nil {
				t.Error(err)
			}
			if stats := l.session.Stats(); faults != nil && (stats.Reconnects < 3 || stats.Duplicates == 0) {
				t.Errorf("no fault was seen: %+v", stats)
			}
			if err := <-l.served; err != nil {
				t.Errorf("the server ended with %v, not by the flag", err)
			}
		})
	}
}

func TestALargeTransferArrivesEqualBothWays(t *testing.T) {
	for _, client := range []string{"", "1.1.69.0"} { // multiplexed, and not
		l := join(t, forwarding, client, nil, echo)
		listener, end := l.forward(Options{})
		conn := listener.dial()
		if err := exchange(conn, bytesOf(1, 4<<20)); err != nil {
			t.Errorf("client %q: %v", client, err)
		}
		conn.Close()
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

func TestARefusedConnectionIsToldAndTheTunnelGoesOn(t *testing.T) {
	l := join(t, forwarding, "", nil, nil)
	told := make(chan error, 10)
	listener, end := l.forward(Options{OnError: func(err error) { told <- err }})
	for range 2 {
		conn := listener.dial()
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		conn.Close()
		var refused *RefusedError
		if err := <-told; !errors.As(err, &refused) || refused.Port != "80" {
			t.Errorf("told %v", err)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestTheTargetsCloseComesBehindItsBytes(t *testing.T) {
	want := bytesOf(5, 300_000)
	l := join(t, forwarding, "", nil, func(conn net.Conn) {
		conn.Write(want)
		conn.Close()
	})
	listener, end := l.forward(Options{})
	got, err := io.ReadAll(listener.dial())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestTheEndOfTheSessionEndsTheTunnel(t *testing.T) {
	for _, client := range []string{"", "1.1.69.0"} {
		l := join(t, forwarding, client, nil, func(conn net.Conn) {
			conn.Write([]byte("last words"))
			echo(conn)
		})
		listener := newMemory()
		result := make(chan error, 1)
		go func() { result <- Forward(context.Background(), l.session, listener, Options{}) }()
		conn := listener.dial()
		go io.WriteString(conn, "x")
		got := make([]byte, len("last words"))
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		l.agent.Terminate("idle for too long")
		var ended *EndedError
		if err := <-result; !errors.As(err, &ended) || ended.Output != "idle for too long" {
			t.Errorf("client %q: Forward gave %v", client, err)
		}
		if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("the connection: %v", err)
		}
	}
}

func TestOnePlainStreamServesConnectionsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		l := join(t, forwarding, "1.1.69.0", nil, func(conn net.Conn) {
			n++
			name := fmt.Sprintf("target %d: ", n)
			buf := make([]byte, 100)
			for {
				k, err := conn.Read(buf)
				if err != nil {
					return
				}
				// More than is read of it, so that the next connection could
				// get what was meant for this one.
				conn.Write([]byte(name + string(buf[:k]) + strings.Repeat(name, 500)))
			}
		})
		listener, end := l.forward(Options{})
		for i := range 3 {
			conn := listener.dial()
			io.WriteString(conn, "hello")
			want := fmt.Sprintf("target %d: hello", i+1)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			conn.Close()
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestForwardAndStdioRefuseEachOthersDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := join(t, plain, "", nil, echo)
		if err := Forward(t.Context(), l.session, newMemory(), Options{}); err != ErrNotForwarding {
			t.Error(err)
		}
		l = join(t, forwarding, "1.1.69.0", nil, echo)
		if err := Stdio(t.Context(), l.session, strings.NewReader(""), io.Discard, Options{}); err != ErrForwarding {
			t.Error(err)
		}
	})
}

func TestAPortInUseIsNoticedBeforeAnything(t *testing.T) {
	l, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := LocalPort(l)
	var used *PortInUseError
	if _, err := Listen(t.Context(), port); !errors.As(err, &used) || used.Port != port {
		t.Errorf("got %v", err)
	}
	for _, bad := range []int{-1, 65536} {
		if _, err := Listen(t.Context(), bad); err == nil {
			t.Errorf("port %d was opened", bad)
		}
	}
	if !strings.HasPrefix(l.Addr().String(), "127.0.0.1:") || port == 0 {
		t.Errorf("listens on %v", l.Addr())
	}
}

func TestMetadataIsForwardedToForNobody(t *testing.T) {
	for _, address := range []string{"169.254.169.254", "169.254.169.253", "fd00:ec2::254", "::ffff:169.254.169.254"} {
		s := NewServer(nil, channel.PortProperties{Host: "metadata.example", PortNumber: "80", Type: channel.LocalPortForwarding},
			ServerOptions{Lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", address}, nil }})
		if _, err := s.addresses(t.Context()); err == nil || !strings.Contains(err.Error(), "is forbidden") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestALocalEndThatHasNoMoreToSayHearsTheAnswer(t *testing.T) {
	// A TCP connection can be half closed; here it is one of the machine.
	l := join(t, forwarding, "", nil, func(conn net.Conn) {
		b := make([]byte, 8)
		io.ReadFull(conn, b)
		time.Sleep(50 * time.Millisecond) // the end of input is long here
		conn.Write(append([]byte("answer: "), b...))
		conn.Close()
	})
	listener, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- Forward(ctx, l.session, listener, Options{}) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "question")
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "answer: question" {
		t.Errorf("got %q, %v", got, err)
	}
	conn.Close()
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
}
