package channel

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionFeelsLikeACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands, CustomerMessage: "hello"})
		s := l.connect()
		if err := s.Ready(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := l.agent.Ready(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("0123456789abcdef", 1000) + "no newline"
		l.agent.Stdout([]byte(long))
		l.agent.Stderr([]byte("oops\n"))
		l.agent.Exit(7)
		l.agent.Close("")
		wantExit(t, s.Wait(within(t, time.Second)), 7)
		if got := l.stdout.String(); got != long {
			t.Errorf("stdout has %d bytes, want %d", len(got), len(long))
		}
		if got := l.stderr.String(); got != "oops\n" {
			t.Errorf("stderr is %q", got)
		}
		if s.Type() != "NonInteractiveCommands" || s.AgentVersion() != "3.3.0.0" || s.CustomerMessage() != "hello" {
			t.Errorf("handshake told %q %q %q", s.Type(), s.AgentVersion(), s.CustomerMessage())
		}
		if got := l.agent.Client().ClientVersion; got != DefaultClientVersion {
			t.Errorf("client version is %q", got)
		}
		stats := s.Stats()
		if stats.Retransmissions != 0 || stats.Duplicates != 0 || stats.Reconnects != 0 {
			t.Errorf("a good network, but %+v", stats)
		}
		l.end(s)
	})
}

func TestExitCodeZeroIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands})
		s := l.connect()
		l.agent.Exit(0)
		l.agent.Close("")
		wantExit(t, s.Wait(context.Background()), 0)
		l.end(s)
	})
}

func TestAnEndWithoutExitCodeIsAnErrorOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		s := l.connect()
		l.agent.Stdout([]byte("$ "))
		l.agent.Close("bye\x1b[2J")
		missing := wantMissing(t, s.Wait(context.Background()))
		if missing.Output != "bye\x1b[2J" || missing.Cause != nil || missing.Gap {
			t.Errorf("got %+v", missing)
		}
		if strings.ContainsRune(missing.Error(), '\x1b') {
			t.Errorf("the text is not quoted: %q", missing.Error())
		}
		l.end(s)
	})
}

func TestWaitGivesUpWithItsContextAndTheSessionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands})
		s := l.connect()
		if err := s.Wait(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		l.agent.Exit(0)
		l.agent.Close("")
		wantExit(t, s.Wait(context.Background()), 0)
		l.end(s)
	})
}

func TestInputWaitsForTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		l := newLink(t, AgentConfig{Handshake: true, SessionType: Port, Input: func(kind PayloadType, p []byte) error {
			got.Write(p)
			return nil
		}})
		// 2 s one way: the handshake takes 8 s, and quiet is long over.
		l.faults = func(int) Faults { return Faults{Latency: 2 * time.Second} }
		s := l.connect()
		if _, err := s.Write([]byte("typed early")); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.Write([]byte(" and late"))
		time.Sleep(10 * time.Second)
		if got.String() != "typed early and late" {
			t.Errorf("agent got %q", got.String())
		}
		l.end(s)
	})
}

func TestInputThatWasSentIntoALateHandshakeIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		l := newLink(t, AgentConfig{Input: func(kind PayloadType, p []byte) error {
			got.Write(p)
			return nil
		}})
		// The agent is there but begins its handshake only after a minute.
		l.agent.complete = false
		s := l.connect()
		s.Write([]byte("typed early"))
		if err := s.Ready(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		s.Write([]byte(" and in the quiet"))
		time.Sleep(50 * time.Second)
		if got.String() != "" {
			t.Fatalf("agent took %q before its handshake", got.String())
		}
		synctest.Wait() // the agent has read what changes now
		l.agent.ready = make(chan struct{})
		l.agent.cfg.SessionType = NonInteractiveCommands
		l.agent.requestHandshake()
		time.Sleep(time.Second)
		s.Write([]byte(" and late"))
		time.Sleep(time.Second)
		if want := "typed early and in the quiet and late"; got.String() != want {
			t.Errorf("agent got %q, want %q", got.String(), want)
		}
		l.end(s)
	})
}

func TestInputWaitsForTheFirstOutputOfASessionWithoutHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at time.Duration
		start := time.Now()
		l := newLink(t, AgentConfig{Input: func(kind PayloadType, p []byte) error {
			at = time.Since(start)
			return nil
		}})
		s := l.connect()
		s.Write([]byte("ls\n"))
		time.Sleep(time.Second)
		l.agent.Stdout([]byte("$ "))
		time.Sleep(time.Second)
		synctest.Wait()
		if at != time.Second {
			t.Errorf("input came after %v, want 1s", at)
		}
		l.end(s)
	})
}

func TestAQuietShellGetsItsInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at time.Duration
		start := time.Now()
		l := newLink(t, AgentConfig{Input: func(kind PayloadType, p []byte) error {
			at = time.Since(start)
			return nil
		}})
		s := l.connect(func(c *Config) { c.Quiet = 2 * time.Second })
		s.Write([]byte("ls\n"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if at != 2*time.Second {
			t.Errorf("input came after %v, want 2s", at)
		}
		l.end(s)
	})
}

func TestInputIsCutAndResizeAndInterruptAreInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type piece struct {
			kind PayloadType
			text string
		}
		var got []piece
		l := newLink(t, AgentConfig{Input: func(kind PayloadType, p []byte) error {
			got = append(got, piece{kind, string(p)})
			return nil
		}})
		s := l.connect()
		l.agent.Stdout([]byte("$ "))
		s.Resize(300, 100)
		s.Write([]byte(strings.Repeat("x", 1025)))
		s.Write([]byte("\n"))
		s.Interrupt()
		synctest.Wait()
		want := []piece{
			{PayloadSize, `{"cols":300,"rows":100}`},
			{PayloadOutput, strings.Repeat("x", 1024)},
			{PayloadOutput, "x"},
			{PayloadOutput, "\n"}, // and not a carriage return
			{PayloadOutput, "\x03"},
		}
		if len(got) != len(want) {
			t.Fatalf("got %v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("message %d is %v, want %v", i, got[i], want[i])
			}
		}
		l.end(s)
	})
}

func TestInputThatTheAgentIsNotReadyForComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		var ready atomic.Bool
		l := newLink(t, AgentConfig{Input: func(kind PayloadType, p []byte) error {
			if !ready.Load() {
				return ErrNotReady
			}
			got.Write(p)
			return nil
		}})
		s := l.connect()
		l.agent.Stdout([]byte("$ "))
		for _, text := range []string{"one ", "two ", "three"} {
			s.Write([]byte(text))
		}
		time.Sleep(5 * time.Second)
		ready.Store(true)
		time.Sleep(2 * time.Second)
		if got.String() != "one two three" {
			t.Errorf("agent got %q", got.String())
		}
		l.end(s)
	})
}

func TestASlowWriterHoldsBackItsAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Queue: 4})
		let := make(chan struct{})
		s := l.connect(func(c *Config) { c.Stdout = writerFunc(func(p []byte) (int, error) { <-let; return len(p), nil }) })
		for range 4 {
			l.agent.Stdout([]byte("x"))
		}
		fifth := make(chan struct{})
		go func() { l.agent.Stdout([]byte("y")); close(fifth) }()
		time.Sleep(time.Minute)
		select {
		case <-fifth:
			t.Error("the queue is not bounded")
		default:
		}
		close(let)
		<-fifth
		l.agent.Close("")
		wantMissing(t, s.Wait(context.Background()))
		l.end(s)
	})
}

func TestAWriterThatFailsEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		s := l.connect(func(c *Config) {
			c.Stdout = writerFunc(func([]byte) (int, error) { return 0, io.ErrNoProgress })
		})
		l.agent.Stdout([]byte("x"))
		if missing := wantMissing(t, s.Wait(context.Background())); !errors.Is(missing, io.ErrNoProgress) {
			t.Errorf("cause is %v", missing.Cause)
		}
		l.end(s)
	})
}

func TestAWriterThatPanicsEndsItsSessionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		s := l.connect(func(c *Config) { c.Stdout = writerFunc(func([]byte) (int, error) { panic("boo") }) })
		l.agent.Stdout([]byte("x"))
		if missing := wantMissing(t, s.Wait(context.Background())); !strings.Contains(missing.Error(), "boo") {
			t.Errorf("got %v", missing)
		}
		l.end(s)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		s := l.connect()
		waiting := make(chan error)
		go func() {
			// Nobody takes input: the window fills, and Close must wake us.
			_, err := s.Write(make([]byte, 1<<20))
			waiting <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-waiting; !errors.Is(err, ErrClosed) {
			t.Errorf("write returned %v", err)
		}
		if err := s.Wait(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("wait returned %v", err)
		}
		if err := s.Ready(context.Background()); err == nil {
			t.Error("ready after the end")
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("write after close returned %v", err)
		}
		s.Close()
		l.end(s)
	})
}

func TestConnectRefusesAnIncompleteConfig(t *testing.T) {
	dial := func(context.Context) (Transport, error) { return nil, io.EOF }
	for _, cfg := range []Config{
		{Token: "t", Dial: dial}, {SessionID: "s", Dial: dial}, {SessionID: "s", Token: "t"},
		{SessionID: "s", Token: "t", Dial: dial},
	} {
		if s, err := Connect(context.Background(), cfg); err == nil {
			t.Errorf("%+v connected: %v", cfg, s)
		}
	}
}
