package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeed     = flag.Uint64("sim.seed", 0, "run only the simulated session of this seed")
	simSessions = flag.Int("sim.sessions", 50, "simulated sessions, and a tenth and a hundredth as many hard and long ones")
	simTime     = flag.Duration("sim.time", 0, "simulate for so long, from -sim.first")
	simFirst    = flag.Uint64("sim.first", 0, "the first seed of -sim.time; 0: a random one")
)

// simShare is how many sessions a test runs for each of -sim.sessions, and its
// part of -sim.time.
type simShare struct{ sessions, time float64 }

// simulated runs sessions of consecutive seeds on all cores.
func simulated(t *testing.T, share simShare, session func(t *testing.T, seed uint64) simCounts) {
	first, last := uint64(1), uint64(max(1, math.Round(share.sessions*float64(*simSessions))))
	var until time.Time
	switch {
	case *simSeed != 0:
		first, last = *simSeed, *simSeed
	case *simTime != 0:
		if first, last = *simFirst, math.MaxUint64; first == 0 {
			first = rand.Uint64N(1 << 40)
		}
		until = time.Now().Add(time.Duration(share.time * float64(*simTime)))
		t.Logf("first seed %d", first)
	case testing.Short():
		last = max(1, last/5)
	}
	var next atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	var total simCounts
	t.Run("sessions", func(t *testing.T) {
		for core := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(core), func(t *testing.T) {
				t.Parallel()
				for {
					seed := next.Add(1) - 1
					if seed > last || t.Failed() || !until.IsZero() && time.Now().After(until) {
						return
					}
					synctest.Test(t, func(t *testing.T) {
						defer func() {
							if t.Failed() {
								next.Store(math.MaxUint64) // the others need not go on
								t.Logf("replay: go test ./internal/channel -run '^%s$' -sim.seed %d", parent(t.Name()), seed)
							}
						}()
						counts := session(t, seed)
						mu.Lock()
						total.add(counts)
						mu.Unlock()
					})
				}
			})
		}
	})
	t.Logf("%v", total)
}

func parent(name string) string {
	for i, c := range name {
		if c == '/' {
			return name[:i]
		}
	}
	return name
}

// simCounts says what the simulated sessions went through.
type simCounts struct {
	sessions, cuts, agentResends          int
	sent, received                        int64
	resends, duplicates, early, corrupted int64
	fake                                  time.Duration
}

func (c *simCounts) add(d simCounts) {
	c.sessions += d.sessions
	c.cuts += d.cuts
	c.agentResends += d.agentResends
	c.sent += d.sent
	c.received += d.received
	c.resends += d.resends
	c.duplicates += d.duplicates
	c.early += d.early
	c.corrupted += d.corrupted
	c.fake += d.fake
}

func (c simCounts) String() string {
	return fmt.Sprintf("%d sessions in %v of their time: %d MiB up and %d MiB down, %d and %d messages sent again, %d duplicates, %d early, %d corrupt, %d cuts",
		c.sessions, c.fake.Round(time.Second), c.sent>>20, c.received>>20, c.resends, c.agentResends, c.duplicates, c.early, c.corrupted, c.cuts)
}

// simulation is one session of a client with the reference.
type simulation struct {
	t      *testing.T
	rng    *rand.Rand
	kind   simKind
	conf   refConfig
	faults refFaults

	up, down, errs simStream
	config         func(*Config) // not nil: changes the client
	prepare        func()        // not nil: called before the client connects
	limit          time.Duration // of the session's time
	readLate       bool          // a port is read when all was written

	gateway *refGateway
	session *Session
	pumps   int // that still have output, or will; the gateway's goroutine's
	code    int
}

// simKind is what a session is for.
type simKind struct {
	name   string
	conf   refConfig
	pace   time.Duration // between two reads of output, as the agent sleeps
	stderr bool
	exit   bool // an exit code comes
	port   bool
}

var simKinds = []simKind{
	{name: "shell", pace: time.Millisecond},
	{name: "encrypted shell", conf: refConfig{key: "alias/ssm"}, pace: time.Millisecond},
	{name: "command", conf: refConfig{kind: "NonInteractiveCommands", handshake: true}, pace: time.Millisecond},
	{name: "command with separate output", conf: refConfig{kind: "NonInteractiveCommands", handshake: true}, pace: 100 * time.Microsecond, stderr: true, exit: true},
	{name: "encrypted command with separate output", conf: refConfig{kind: "NonInteractiveCommands", key: "alias/ssm"}, pace: 100 * time.Microsecond, stderr: true, exit: true},
	{name: "port", conf: refConfig{kind: "Port", properties: `{"portNumber":"22"}`, handshake: true}, pace: time.Millisecond, port: true},
}

// newSimulation draws a session: of which kind, and how bad its network is.
func newSimulation(t *testing.T, seed uint64) *simulation {
	rng := rand.New(rand.NewPCG(seed, 0))
	kind := simKinds[rng.IntN(len(simKinds))]
	s := &simulation{t: t, rng: rng, kind: kind, conf: kind.conf, code: rng.IntN(256), pumps: 2, limit: 3 * time.Hour}
	if rng.IntN(3) == 0 {
		s.conf.notReady = time.Duration(rng.Int64N(int64(8 * time.Second)))
	}
	s.faults = refFaults{
		seed:     seed,
		latency:  time.Duration(rng.Int64N(int64(100 * time.Millisecond))),
		lateness: time.Duration(1 + rng.Int64N(int64(200*time.Millisecond))),
		rude:     rng.IntN(2) == 0,
		outage:   time.Duration(max(0, rng.Int64N(int64(4*time.Second))-int64(2*time.Second))),
		pauses:   !kind.exit && rng.IntN(2) == 0,
		goodby:   rng.IntN(2) == 0,
		clump:    time.Duration(mix(seed)%4) * 7 * time.Millisecond,
	}
	s.faults.silent = !s.faults.pauses && rng.IntN(3) == 0
	return s
}

// mild is a network with every fault there is, a little of each.
func (s *simulation) mild() {
	s.faults.loss, s.faults.duplicate, s.faults.reorder = 0.05, 0.05, 0.10
}

// sizes draws what is sent, between least and most bytes in each direction.
func (s *simulation) sizes(least, most int) {
	size := func() int {
		return int(float64(least) * math.Pow(float64(most)/float64(least), s.rng.Float64()))
	}
	s.up.draw("input", s.rng, size())
	down, errs := size(), 0
	if s.kind.stderr {
		errs = s.rng.IntN(down / 4)
	}
	s.down.draw("output", s.rng, down-errs)
	s.errs.draw("error output", s.rng, errs)
}

// cuts draws n moments at which the connection is lost, before all is sent.
func (s *simulation) cuts(n int) {
	down, up := (len(s.down.want)+len(s.errs.want))/refChunk, len(s.up.want)/refChunk
	for range n { // each message is sent, and acknowledged, once at least
		s.faults.cuts = append(s.faults.cuts, 1+s.rng.IntN(2*down+up))
	}
	slices.Sort(s.faults.cuts)
}

// run runs the session to its end and returns Wait's error.
func (s *simulation) run() error {
	s.conf.input = func(payloadType uint32, p []byte) {
		if payloadType == 1 {
			s.up.Write(p)
			s.finishIfDone()
		}
	}
	s.conf.opened = func() { s.gateway.after(s.delay(2*time.Second), s.produce) }
	s.gateway = newRefGateway(s.t, s.conf, s.faults)
	if s.prepare != nil {
		s.prepare()
	}
	s.watchStorms()
	s.gateway.begin()
	defer s.gateway.stop()
	cfg := s.gateway.config()
	cfg.Stdout, cfg.Stderr, cfg.TakePort = &s.down, &s.errs, s.kind.port
	seed := s.faults.seed
	cfg.jitter = func(n int64) int64 { seed = mix(seed); return int64(seed % uint64(n)) }
	if s.config != nil {
		s.config(&cfg)
	}
	client, err := Connect(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.session = client
	var traffic sync.WaitGroup
	wrote := make(chan struct{})
	traffic.Go(func() { s.write(client); close(wrote) })
	if s.kind.port {
		traffic.Go(func() {
			if s.readLate {
				<-wrote
			}
			s.readPort(client)
		})
	}
	err = client.Wait(within(s.t, s.limit))
	if errors.Is(err, context.DeadlineExceeded) {
		s.t.Errorf("%s: it hangs: %v", s.kind.name, s)
	}
	client.Close()
	traffic.Wait()
	return err
}

// write writes the input in pieces, the first ones of single bytes.
func (s *simulation) write(client *Session) {
	rng := rand.New(rand.NewPCG(s.faults.seed, 3))
	single, most := rng.IntN(20), 1+rng.IntN(3000)
	most = max(most, len(s.up.want)>>17) // more messages need more than the limit, and show no more
	for rest := s.up.want; len(rest) > 0; {
		n := 1
		if single--; single < 0 {
			n = min(len(rest), 1+rng.IntN(most))
		}
		if _, err := client.Write(rest[:n]); err != nil {
			return // the session's end says why
		}
		rest = rest[n:]
	}
}

// watchStorms complains of a client that does not wait longer and longer for an
// agent that does not answer.
func (s *simulation) watchStorms() {
	g := s.gateway
	sends, since, made, next := map[int64]int{}, time.Now(), 0, g.meddle
	g.meddle = func(toClient bool, frame []byte) ([]byte, bool) {
		switch id := identity(toClient, frame); {
		case toClient && frame[4] == 'a' || g.made != made: // an acknowledgement, or another connection
			clear(sends)
			since, made = time.Now(), g.made
		case !toClient && frame[4] == 'i':
			sends[id.sequence]++
			if most := 10 + int(time.Since(since)/time.Second); sends[id.sequence] > most {
				s.t.Errorf("%s: message %d was sent %d times in %v of silence", s.kind.name, id.sequence, sends[id.sequence], time.Since(since))
				g.meddle = next
			}
		}
		if next != nil {
			return next(toClient, frame)
		}
		return frame, true
	}
}

func (s *simulation) readPort(client *Session) {
	port, err := client.Port(context.Background())
	if err != nil {
		return
	}
	io.Copy(&s.down, port)
}

// produce is the command on the target: it puts out all it has.
func (s *simulation) produce() {
	s.pump(1, s.down.want)
	s.pump(11, s.errs.want)
}

func (s *simulation) pump(payloadType uint32, rest []byte) {
	if len(rest) > 0 {
		wait := s.kind.pace
		if s.gateway.agent.paused {
			wait = 10 * time.Millisecond // a pty that is not read
		} else {
			n := min(len(rest), refChunk)
			s.gateway.agent.send(payloadType, rest[:n])
			rest = rest[n:]
		}
		if len(rest) > 0 {
			s.gateway.after(wait, func() { s.pump(payloadType, rest) })
			return
		}
	}
	s.pumps--
	s.finishIfDone()
}

// finishIfDone ends the command when it has read and written everything.
func (s *simulation) finishIfDone() {
	a := s.gateway.agent
	if !a.complete || a.finishing || s.pumps > 0 || s.up.got < len(s.up.want) {
		return
	}
	if s.kind.exit {
		a.exit(s.code)
	}
	a.finish()
}

func (s *simulation) delay(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most)))
}

// want checks that all arrived, and the session's result.
func (s *simulation) want(err error) {
	for _, stream := range []*simStream{&s.up, &s.down, &s.errs} {
		if !stream.complete() {
			s.t.Errorf("%s: %v", s.kind.name, stream)
		}
	}
	var exit *ExitError
	var missing *ExitMissingError
	switch {
	case s.kind.exit && s.code == 0 && err == nil:
	case s.kind.exit && errors.As(err, &exit) && exit.Code == s.code:
	case !s.kind.exit && errors.As(err, &missing) && !missing.Gap && (missing.Cause == nil || errors.Is(missing.Cause, ErrSessionOver)):
	default:
		s.t.Errorf("%s: ended with %v, the exit code is %d", s.kind.name, err, s.code)
	}
	if s.gateway.made != len(s.faults.cuts) {
		s.t.Errorf("%s: %d cuts, want %d", s.kind.name, s.gateway.made, len(s.faults.cuts))
	}
}

func (s *simulation) counts() simCounts {
	stats := s.session.Stats()
	return simCounts{sessions: 1, cuts: s.gateway.made, agentResends: s.gateway.agent.resends, sent: int64(s.up.got),
		received: int64(s.down.got + s.errs.got), resends: stats.Retransmissions, duplicates: stats.Duplicates,
		early: stats.OutOfOrder, corrupted: stats.Corrupt, fake: time.Since(s.gateway.start)}
}

func (s *simulation) String() string {
	return fmt.Sprintf("%v; %v; %v; the agent waits for %d acknowledgements", &s.up, &s.down, &s.errs, s.gateway.agent.waiting)
}

// simStream compares what comes, byte for byte, with what is sent.
type simStream struct {
	name  string
	want  []byte
	got   int
	wrong bool // from got on
}

// draw makes n bytes, line feeds and control characters first.
func (s *simStream) draw(name string, rng *rand.Rand, n int) {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	for i := range min(n, 20) {
		b[i] = "\n\r\x00\x03\x1c"[rng.IntN(5)]
	}
	s.name, s.want = name, b[:n]
}

func (s *simStream) Write(p []byte) (int, error) {
	if s.wrong || !bytes.HasPrefix(s.want[s.got:], p) {
		s.wrong = true
		return len(p), nil
	}
	s.got += len(p)
	return len(p), nil
}

func (s *simStream) complete() bool { return !s.wrong && s.got == len(s.want) }

func (s *simStream) String() string {
	if s.wrong {
		return fmt.Sprintf("of %d bytes of %s what came behind %d is wrong", len(s.want), s.name, s.got)
	}
	return fmt.Sprintf("%d of %d bytes of %s came", s.got, len(s.want), s.name)
}

// TestSimulatedSessions: sessions over networks that lose, double, reorder and
// cut deliver everything, in both directions.
func TestSimulatedSessions(t *testing.T) {
	simulated(t, simShare{1, 0.47}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		s.mild()
		s.sizes(64<<10, 1<<20)
		s.cuts(3)
		s.want(s.run())
		return s.counts()
	})
}

// TestSimulatedBursts: the same where three messages in ten are lost, in rows of
// three.
func TestSimulatedBursts(t *testing.T) {
	simulated(t, simShare{0.1, 0.15}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		s.mild()
		s.faults.loss, s.faults.burst = 0.30, 3
		s.sizes(64<<10, 1<<20)
		s.cuts(s.rng.IntN(4))
		s.want(s.run())
		return s.counts()
	})
}

// TestSimulatedFirstMessageWithheld: 16 MiB each way where the first message of
// the output arrives when the client can keep no more of the later ones.
func TestSimulatedFirstMessageWithheld(t *testing.T) {
	simulated(t, simShare{0.01, 0.15}, func(t *testing.T, seed uint64) simCounts {
		s := newSimulation(t, seed)
		s.mild()
		s.sizes(16<<20, 16<<20)
		s.faults.cuts = []int{s.rng.IntN(10_000), 10_000 + s.rng.IntN(1000), 11_000 + s.rng.IntN(1000)}
		cuts := s.faults.cuts
		withheld, kept := int64(-1), map[int64]bool{}
		s.prepare = func() {
			s.gateway.faults.cuts = nil // until the client's buffer is full
			s.gateway.meddle = func(toClient bool, frame []byte) ([]byte, bool) {
				id := identity(toClient, frame)
				switch {
				case toClient && isOutput(frame) && withheld < 0:
					withheld = id.sequence
					fallthrough
				case toClient && isOutput(frame) && id.sequence == withheld:
					return frame, len(kept) >= maxEarlyMessages
				case !toClient && frame[4] == 'a' && withheld >= 0 && id.sequence > withheld && len(kept) < maxEarlyMessages:
					if kept[id.sequence] = true; len(kept) == maxEarlyMessages {
						for _, at := range cuts {
							s.gateway.faults.cuts = append(s.gateway.faults.cuts, s.gateway.passed+at)
						}
					}
				}
				return frame, true
			}
		}
		s.want(s.run())
		if len(kept) < maxEarlyMessages {
			t.Errorf("only %d messages came early", len(kept))
		}
		return s.counts()
	})
}

// isOutput reports whether the message is output of the command.
func isOutput(frame []byte) bool {
	payloadType := binary.BigEndian.Uint32(frame[112:])
	return frame[4] == 'o' && (payloadType == 1 || payloadType == 11)
}
