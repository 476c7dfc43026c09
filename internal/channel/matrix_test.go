package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	matrixSeeds = flag.Int("matrix.seeds", 3, "seeds of each cell of the fault matrix")
	matrixSeed  = flag.Uint64("matrix.seed", 0, "run only this seed of each cell")
)

// The fault matrix: what may happen (a row) in each part of a session (a
// column), and what must come of it. Every cell runs a whole session against the
// reference agent, for a number of seeds, in fake time; -run and -matrix.seed
// replay one. A campaign is
//
//	go test ./internal/channel -run TestMatrix -matrix.seeds 200
//
// The columns: O the channel is opened, H the handshake, with KMS in every
// second seed, C the command's input is sent and not yet acknowledged, X output
// streams, E the exit code, D the drain until channel_closed.
const (
	colOpen, colShake, colCommand, colStream, colExit, colDrain = 'O', 'H', 'C', 'X', 'E', 'D'

	matrixColumns = "OHCXED"
)

// matrixRow is a fault, and how a session with it must end.
type matrixRow struct {
	name    string
	columns string

	config  func(c *matrixCell, cfg *Config) // not nil: before the session begins
	enter   func(c *matrixCell)              // when the column begins, on the agent's goroutine
	faults  func(c *matrixCell) refFaults    // while the column lasts
	meddle  func(c *matrixCell, toClient bool, frame []byte) ([]byte, bool)
	sticky  bool                           // meddle goes on when the column is over
	sealed  bool                           // all seeds are encrypted
	lax     bool                           // the client says what nobody should, because of us
	check   func(c *matrixCell, err error) // nil: all arrived, and exit code 3
	timeout time.Duration                  // default 20 min
}

// matrixCell is one session of the matrix.
type matrixCell struct {
	*testing.T
	row    *matrixRow
	column rune
	seed   uint64
	rng    *rand.Rand
	g      *refGateway
	s      *Session
	base   refFaults

	input, output, errs []byte
	took, stdout        bytes.Buffer // what the agent took; what the client's writer did
	stderr              recorder
	writer              func() // not nil: runs before each write to stdout

	mu      sync.Mutex // protects what follows
	phase   rune
	since   time.Time     // the column began
	heals   time.Time     // of the last cut that was got over
	reopens time.Duration // the longest from then to the next opening
	sent    [2]int64      // bytes of stream data, from the client and from the agent
	unique  map[refIdentity]int64
	times   map[int64]int // how often the client sent each message
	acks    map[int64]int // and acknowledged each
	done    bool

	// What rows keep.
	before  []byte // what a row sends to standard error before the rest
	paused  bool
	dropped int64 // the number of the message that never comes
	counter int
	stalled bool
}

func TestMatrix(t *testing.T) {
	covered := map[string]string{}
	for i := range matrixRows {
		row := &matrixRows[i]
		t.Run(row.name, func(t *testing.T) {
			for _, column := range row.columns {
				t.Run(string(column), func(t *testing.T) {
					first, last := uint64(1), uint64(*matrixSeeds)
					if *matrixSeed != 0 {
						first, last = *matrixSeed, *matrixSeed
					}
					for seed := first; seed <= last && !t.Failed(); seed++ {
						synctest.Test(t, func(t *testing.T) { runCell(t, row, column, seed) })
						if t.Failed() {
							t.Logf("replay with -run %q -matrix.seed %d", "^"+t.Name()+"$", seed)
						}
					}
				})
			}
		})
		covered[row.name] = row.columns
	}
	if testing.Verbose() {
		for _, row := range matrixRows {
			line := ""
			for _, column := range matrixColumns {
				mark := " -"
				if bytes.ContainsRune([]byte(covered[row.name]), column) {
					mark = fmt.Sprintf(" %c", column)
				}
				line += mark
			}
			t.Logf("%-42s%s", row.name, line)
		}
	}
}

func runCell(t *testing.T, row *matrixRow, column rune, seed uint64) {
	c := &matrixCell{T: t, row: row, column: column, seed: seed, rng: rand.New(rand.NewPCG(seed, uint64(column))),
		unique: map[refIdentity]int64{}, times: map[int64]int{}, acks: map[int64]int{}, phase: colOpen}
	c.base = refFaults{seed: seed, latency: time.Duration(1+c.rng.IntN(40)) * time.Millisecond}
	c.input = bytes.Repeat([]byte("typed\n"), 1+c.rng.IntN(1000))
	c.output, c.errs = c.random(1+c.rng.IntN(48<<10)), c.random(c.rng.IntN(4<<10))
	conf := refConfig{kind: "NonInteractiveCommands", handshake: true, input: c.taken}
	if seed%2 == 0 || row.sealed {
		conf.key = "alias/ssm"
	}
	c.g = newRefGateway(t, conf, c.base)
	if row.lax {
		c.g.agent.complain = func(string, ...any) {}
	}
	c.g.meddle = c.meddle
	c.g.begin()
	cfg := c.g.config()
	cfg.Stdout, cfg.Stderr = c, &c.stderr
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context) (Transport, error) { c.opened(); return dial(ctx) }
	cfg.HandshakeTimeout, cfg.StartTimeout, cfg.IdleTimeout = 5*time.Minute, 5*time.Minute, 15*time.Minute
	cfg.HandshakeDue = true
	if row.config != nil {
		row.config(c, &cfg)
	}
	if column == colOpen && row.enter != nil {
		row.enter(c)
	}
	s, err := Connect(context.Background(), cfg)
	if err != nil {
		defer c.g.stop()
		c.end(err)
		return
	}
	c.s = s
	c.g.do(func() { c.enter(colShake) })
	typed := make(chan struct{})
	go func() { // one byte alone, and all the rest
		defer close(typed)
		s.Write([]byte("\n"))
		s.Write(c.input)
	}()
	limit := row.timeout
	if limit == 0 {
		limit = 20 * time.Minute
	}
	err = s.Wait(within(t, limit))
	if !isClosed(s.Done()) {
		panic(fmt.Sprintf("%s, -matrix.seed %d: the session did not end: in %c, %d of %d bytes of input, %d of %d of output",
			t.Name(), seed, c.at(), c.took.Len(), len(c.input)+1, c.stdout.Len(), len(c.output))) // nor would it close
	}
	defer func() {
		c.mu.Lock()
		c.done = true
		c.mu.Unlock()
		s.Close()
		<-typed
		c.g.stop()
	}()
	c.end(err)
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// end judges the result.
func (c *matrixCell) end(err error) {
	if c.row.check != nil {
		c.row.check(c, err)
		return
	}
	c.exact(err)
}

// exact: all was delivered, and the exit code is the command's.
func (c *matrixCell) exact(err error) {
	wantExit(c, err, 3)
	if !bytes.Equal(c.took.Bytes(), append([]byte("\n"), c.input...)) {
		c.Errorf("input differs: %d bytes came of %d", c.took.Len(), len(c.input)+1)
	}
	if !bytes.Equal(c.stdout.Bytes(), c.output) {
		c.Errorf("output differs: %d bytes came of %d, equal until %d", c.stdout.Len(), len(c.output), commonPrefix(c.stdout.Bytes(), c.output))
	}
	if got, want := c.stderr.String(), string(c.before)+string(c.errs); got != want {
		c.Errorf("standard error differs: %d bytes came of %d", len(got), len(want))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reopens > 3*time.Second {
		c.Errorf("the channel was opened %v after the network had healed", c.reopens)
	}
}

// truthful: if it looks well, it is; otherwise there is an error.
func (c *matrixCell) truthful(err error) {
	var exit *ExitError
	switch {
	case err == nil:
		c.Error("exit code 0, which nobody sent")
	case errors.As(err, &exit):
		c.exact(err)
	default:
		wantMissing(c, err)
	}
}

// broken: the session ended for what was received, at once.
func (c *matrixCell) broken(err error) {
	wantMissing(c, err)
	if !errors.As(err, new(*ProtocolError)) && !errors.Is(err, ErrDecrypt) {
		c.Errorf("ended with %v, want a protocol error", err)
	}
	if took := time.Since(c.entered()); took > 2*time.Second {
		c.Errorf("it took %v to end", took)
	}
}

// taken takes the client's input, on the agent's goroutine.
func (c *matrixCell) taken(_ uint32, p []byte) {
	c.took.Write(p)
	if c.took.Len() < len(c.input)+1 || c.at() != colCommand {
		return
	}
	c.enter(colStream)
	c.g.agent.output(1, c.output[:len(c.output)/2])
	c.g.agent.output(11, c.errs)
	c.g.after(time.Second, func() {
		c.g.agent.output(1, c.output[len(c.output)/2:])
		c.enter(colExit)
		c.g.agent.exit(3)
		c.g.after(200*time.Millisecond, func() {
			c.enter(colDrain)
			c.g.agent.finish()
		})
	})
}

func (c *matrixCell) at() rune {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase
}

func (c *matrixCell) entered() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since
}

// enter begins a column. It must be called without the gateway's lock.
func (c *matrixCell) enter(phase rune) {
	c.mu.Lock()
	if c.done {
		c.mu.Unlock()
		return
	}
	c.phase = phase
	now := phase == c.column
	if now {
		c.since = time.Now()
	}
	c.mu.Unlock()
	if now && c.row.enter != nil {
		c.row.enter(c)
	}
}

// opened notes that the client opens a connection.
func (c *matrixCell) opened() {
	c.g.mu.Lock()
	heals := c.g.heals
	c.g.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if heals.After(c.heals) && !now.Before(heals) { // the first opening after it
		c.reopens = max(c.reopens, now.Sub(heals))
		c.heals = heals
	}
	if c.column == colOpen {
		c.since = now
	}
}

// meddle sees every message, before the gateway's faults. The gateway's lock is
// held.
func (c *matrixCell) meddle(toClient bool, frame []byte) ([]byte, bool) {
	c.mu.Lock()
	active := c.phase == c.column
	c.count(toClient, frame)
	if toClient && frame[4] == 'o' && payloadTypeOf(frame) == 7 && c.phase == colShake {
		c.g.push(refEvent{at: time.Since(c.g.start), do: func() { c.enter(colCommand) }})
	}
	c.mu.Unlock()
	keep := c.g.faults
	c.g.faults = c.base
	c.g.faults.cuts, c.g.faults.outage, c.g.faults.rude, c.g.faults.pauses = keep.cuts, keep.outage, keep.rude, keep.pauses
	if active && c.row.faults != nil {
		f := c.row.faults(c)
		c.g.faults.loss, c.g.faults.burst, c.g.faults.duplicate = f.loss, f.burst, f.duplicate
		c.g.faults.reorder, c.g.faults.lateness = f.reorder, f.lateness
	}
	if (active || c.row.sticky) && c.row.meddle != nil {
		return c.row.meddle(c, toClient, frame)
	}
	return frame, true
}

func payloadTypeOf(frame []byte) uint32 { return binary.BigEndian.Uint32(frame[112:]) }

// count keeps books of the stream data. mu is held.
func (c *matrixCell) count(toClient bool, frame []byte) {
	id, direction := identity(toClient, frame), 0
	if toClient {
		direction = 1
	}
	if frame[4] == 'a' {
		if !toClient {
			c.acks[id.sequence]++
		}
		return
	}
	c.sent[direction] += int64(len(frame))
	c.unique[id] = int64(len(frame))
	if !toClient {
		c.times[id.sequence]++
	}
}

// Write takes the session's output.
func (c *matrixCell) Write(p []byte) (int, error) {
	if c.writer != nil {
		c.writer()
	}
	return c.stdout.Write(p)
}

func (c *matrixCell) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.rng.Uint32())
	}
	return b
}

// message is one of the agent's or the service's, with the next number of the
// stream.
func (c *matrixCell) message(kind string, payloadType uint32, payload string) refMessage {
	m := refMessage{kind: kind, payloadType: payloadType, payload: []byte(payload), created: 1, id: [16]byte{1}}
	if kind == "output_stream_data" {
		m.sequence = c.g.agent.first + int64(len(c.g.agent.unacked))
	}
	return m
}

// inject sends the client a frame, past all faults.
func (c *matrixCell) inject(frame []byte) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.g.client != nil {
		c.g.say(frame)
	}
}

// closing is channel_closed.
func (c *matrixCell) closing() []byte {
	m := c.message("channel_closed", 0, `{"MessageId":"m-1","CreatedDate":"1","DestinationId":"d-1","SessionId":"s-1","MessageType":"channel_closed","SchemaVersion":1,"Output":"over"}`)
	return m.encode()
}
