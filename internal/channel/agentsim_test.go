package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeed     = flag.Uint64("sim.seed", 0, "run only the simulated session of this seed")
	simSessions = flag.Int("sim.sessions", 300, "simulated sessions")
)

// TestSimulatedSessionsLoseNothing runs sessions over networks that lose,
// double, reorder, delay and cut, and compares what was sent with what came,
// in both directions. Every choice comes from the seed, which a failure names.
func TestSimulatedSessionsLoseNothing(t *testing.T) {
	first, last := uint64(1), uint64(*simSessions)
	if *simSeed != 0 {
		first, last = *simSeed, *simSeed
	}
	var total Stats
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("replay with -run TestSimulatedSessionsLoseNothing -sim.seed %d", seed)
				}
			}()
			stats := simulate(t, seed)
			total.Retransmissions += stats.Retransmissions
			total.Duplicates += stats.Duplicates
			total.OutOfOrder += stats.OutOfOrder
			total.Reconnects += stats.Reconnects
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d sessions: %d retransmissions, %d duplicates, %d out of order, %d reconnections (client side)",
		last-first+1, total.Retransmissions, total.Duplicates, total.OutOfOrder, total.Reconnects)
	if *simSeed == 0 && (total.Retransmissions == 0 || total.Duplicates == 0 || total.OutOfOrder == 0 || total.Reconnects == 0) {
		t.Errorf("the network was too good: %+v", total)
	}
}

func simulate(t *testing.T, seed uint64) Stats {
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
	// Acknowledged means delivered: nothing may be missing after this.
	if err := l.agent.Drain(within(t, time.Hour)); err != nil {
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
	return s.Stats()
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
