package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestSimulatedAgent: the same with our own Agent as the other end, over a
// Faulty transport.
func TestSimulatedAgent(t *testing.T) {
	simulated(t, simShare{1, 0.04}, simulateAgent)
}

func simulateAgent(t *testing.T, seed uint64) simCounts {
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := Faults{
		Drop:      0.05,
		Duplicate: 0.05,
		Reorder:   0.10,
	}
	if seed%10 == 0 {
		faults.Drop = 0.30
	}
	if seed%3 == 0 {
		faults.Latency = time.Duration(rng.IntN(200)) * time.Millisecond
	}
	cuts := 0
	if seed%2 == 0 {
		cuts = 3
	}
	cutAfter := 20 + rng.IntN(100)
	up, down, errs := randomBytes(rng, 16<<10), randomBytes(rng, 64<<10), randomBytes(rng, 4<<10)

	var got recorder
	l := newLink(t, AgentConfig{
		Handshake: seed%4 != 0, SessionType: NonInteractiveCommands,
		Resend: 1 + rng.IntN(16),
		Input:  func(_ PayloadType, p []byte) error { _, err := got.Write(p); return err },
	})
	l.faults = func(n int) Faults {
		f := faults
		f.Seed = seed<<8 + uint64(n)
		if n < cuts {
			f.CutAfter = cutAfter
		}
		return f
	}
	s := l.connect(func(c *Config) { c.DrainTimeout = time.Hour })
	wrote := make(chan error, 3)
	start := time.Now()
	upSize, downSize, errsSize := rng.IntN(3000)+1, rng.IntN(3000)+1, rng.IntN(3000)+1
	go func() {
		wrote <- pieces(upSize, up, func(p []byte) error { _, err := s.Write(p); return err })
	}()
	go func() { wrote <- pieces(downSize, down, l.agent.Stdout) }()
	go func() { wrote <- pieces(errsSize, errs, l.agent.Stderr) }()
	for range cap(wrote) {
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	}
	code := rng.IntN(256)
	l.agent.Exit(code)
	// Acknowledged means delivered: nothing may be missing after this. An agent
	// that looks at its oldest message only gets one round of retransmission for
	// each loss, and there may be a message for each byte.
	messages := len(down)/downSize + len(errs)/errsSize
	limit := time.Hour + time.Duration(messages)*2*maxRTO
	if err := l.agent.Drain(within(t, limit)); err != nil {
		t.Errorf("agent's output: %v", err)
	}
	s.stream.drained(func() bool { return false })
	l.agent.Close("")
	wantExit(t, s.Wait(within(t, time.Hour)), code)
	for _, stream := range []struct {
		name      string
		got, want []byte
	}{{"input", []byte(got.String()), up}, {"stdout", []byte(l.stdout.String()), down}, {"stderr", []byte(l.stderr.String()), errs}} {
		if sha256.Sum256(stream.got) != sha256.Sum256(stream.want) {
			t.Errorf("%s: %d bytes came, %d were sent; equal until %d", stream.name,
				len(stream.got), len(stream.want), commonPrefix(stream.got, stream.want))
		}
	}
	l.end(s)
	stats := s.Stats()
	return simCounts{sessions: 1, cuts: int(stats.Reconnects), agentResends: int(l.agent.Stats().Retransmissions), sent: stats.BytesSent,
		received: stats.BytesReceived, resends: stats.Retransmissions, duplicates: stats.Duplicates, early: stats.OutOfOrder, fake: time.Since(start)}
}

// TestConnectionsThatAreCutMakeProgress: with more under way than a connection
// lives to carry, each one moves the stream on, in both directions.
func TestConnectionsThatAreCutMakeProgress(t *testing.T) {
	for _, faults := range []Faults{
		{Latency: 20 * time.Millisecond, CutAfter: 60},
		{Latency: 25 * time.Millisecond, CutAfter: 200, Drop: 0.02},
		{Latency: 100 * time.Millisecond, CutAfter: 100},
	} {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			want := make([]byte, 1<<20)
			for i := range want {
				want[i] = byte(rng.Uint32())
			}
			var got recorder
			l := newLink(t, AgentConfig{Input: func(_ PayloadType, p []byte) error { _, err := got.Write(p); return err }})
			l.faults = func(n int) Faults { f := faults; f.Seed = uint64(n); return f }
			s := l.connect()
			wrote := make(chan error)
			go func() { wrote <- l.agent.Stdout(want) }()
			go func() { _, err := s.Write(want); wrote <- err }()
			for range 2 {
				select {
				case err := <-wrote:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(20 * time.Minute):
					t.Fatalf("%+v: %d of %d bytes came, %d bytes of input", faults, len(l.stdout.String()), len(want), len(got.String()))
				}
			}
			if err := l.agent.Drain(within(t, time.Minute)); err != nil {
				t.Errorf("agent's output: %v", err)
			}
			s.stream.drained(func() bool { return false })
			if l.stdout.String() != string(want) || got.String() != string(want) {
				t.Error("what came is not what was sent")
			}
			l.end(s)
		})
	}
}

func randomBytes(rng *rand.Rand, limit int) []byte {
	b := make([]byte, rng.IntN(limit+1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func pieces(size int, b []byte, write func([]byte) error) error {
	for len(b) > 0 {
		n := min(size, len(b))
		if err := write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// TestLostAcknowledgementsMakeNoStorm: with acknowledgements lost and nothing
// else, less than half as much again is sent.
func TestLostAcknowledgementsMakeNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		l.faults = func(int) Faults { return Faults{} }
		rng := rand.New(rand.NewPCG(1, 1))
		s := l.connect(func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (Transport, error) {
				inner, err := dial(ctx)
				return &ackLoser{inner, rng}, err
			}
		})
		want := randomBytes(rng, 1<<20)
		if err := l.agent.Stdout(want); err != nil {
			t.Fatal(err)
		}
		if err := l.agent.Drain(within(t, time.Hour)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(l.stdout.String()), want) {
			t.Error("output differs")
		}
		stats := l.agent.Stats()
		if stats.Retransmissions == 0 || stats.Retransmissions > stats.MessagesSent/2 {
			t.Errorf("%d retransmissions for %d messages", stats.Retransmissions, stats.MessagesSent)
		}
		l.end(s)
	})
}

// ackLoser loses a fifth of the acknowledgements that are written.
type ackLoser struct {
	Transport
	rng *rand.Rand
}

func (a *ackLoser) WriteFrame(frame Frame) error {
	if m, err := ParseMessage(frame.Data); err == nil && m.Type == TypeAcknowledge && a.rng.Float64() < 0.2 {
		return nil
	}
	return a.Transport.WriteFrame(frame)
}
