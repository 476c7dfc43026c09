package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"
)

// refFaults is what a refGateway does to the messages between client and agent,
// in both directions. A message's fate follows from the seed, its kind, its
// number and how often it was sent before, not from what else is under way.
type refFaults struct {
	seed      uint64
	latency   time.Duration // one way; messages keep their order
	loss      float64
	burst     int // losses come in rows of so many; 0: alone
	duplicate float64
	reorder   float64 // a message is late by up to lateness
	lateness  time.Duration

	// cuts are the counts of messages, in both directions together, at which
	// the client's connection is lost, with all that is under way. rude ones lose
	// also what the client has not read. For outage after it nobody gets through.
	cuts   []int
	rude   bool
	outage time.Duration
	pauses bool // the agent is told of the outage by pause_publication

	// clump is how long messages gather once the client waits, which it is told of
	// before it does, as by sockets that read ahead. 0: it is not told.
	clump time.Duration

	silent bool // no start_publication
	goodby bool // resuming after the end gives an empty token, not channel_closed
}

// refGateway is the service between one client and a refAgent, and the clock of
// both: one goroutine does what is due, in order of time.
type refGateway struct {
	t      testing.TB
	faults refFaults
	clump  time.Duration // of faults, which change
	agent  *refAgent
	start  time.Time
	wake   chan struct{}
	gone   chan struct{} // closed when the goroutine has ended

	// meddle, when not nil, sees every message that the agent or the client
	// sends, may change it, and reports whether it goes on. mu is held.
	meddle func(toClient bool, frame []byte) ([]byte, bool)

	mu       sync.Mutex // protects what follows
	events   []refEvent // a heap
	order    uint64
	stopped  bool
	client   *refConn // nil: nobody is there
	clientID string
	tokens   int // issued
	passed   int // messages while a client was there
	lost     [2]int
	seen     map[refIdentity]uint64
	made     int // cuts
	heals    time.Time
	closed   []byte // channel_closed
}

// refEvent is something that is due: a function, or a frame for a connection.
type refEvent struct {
	at       time.Duration
	order    uint64
	do       func()
	conn     *refConn
	frame    []byte
	toClient bool
}

type refIdentity struct {
	kind     byte
	sequence int64
}

// newRefGateway returns a gateway with its agent, which begin starts.
func newRefGateway(t testing.TB, conf refConfig, faults refFaults) *refGateway {
	g := &refGateway{t: t, faults: faults, clump: faults.clump, start: time.Now(), wake: make(chan struct{}, 1), gone: make(chan struct{}),
		agent: newRefAgent(conf, faults.seed), seen: map[refIdentity]uint64{}}
	a := g.agent
	a.after, a.complain = g.after, t.Errorf
	a.emit = func(frame []byte) {
		if frame[4] == 'a' && frame[5] == 'g' { // agent_session_state
			g.report(frame)
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pass(g.client, true, frame)
	}
	return g
}

// begin starts the agent. stop must be called.
func (g *refGateway) begin() {
	g.do(g.agent.start)
	go g.run()
}

// do does f on the gateway's goroutine, which is the agent's.
func (g *refGateway) do(f func()) { g.after(0, f) }

func (g *refGateway) after(d time.Duration, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.push(refEvent{at: time.Since(g.start) + d, do: f})
}

// stop ends the gateway and its connections.
func (g *refGateway) stop() {
	g.mu.Lock()
	g.stopped = true
	if g.client != nil {
		g.client.fail(errRefCut, true)
	}
	g.mu.Unlock()
	g.rouse()
	<-g.gone
}

// refLongest bounds a session. One that is not over by then was to end long ago,
// and cannot be closed: without this the test would wait for it for ever.
const refLongest = 6 * time.Hour

func (g *refGateway) run() {
	defer close(g.gone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		g.mu.Lock()
		if g.stopped {
			g.mu.Unlock()
			return
		}
		if time.Since(g.start) > refLongest {
			panic(fmt.Sprintf("%s: the session of seed %d hangs and cannot be closed", g.t.Name(), g.faults.seed))
		}
		wait := time.Hour
		if len(g.events) > 0 {
			wait = g.events[0].at - time.Since(g.start)
		}
		if wait <= 0 {
			e := g.pop()
			g.mu.Unlock()
			g.happen(e)
			continue
		}
		g.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-g.wake:
		}
	}
}

func (g *refGateway) happen(e refEvent) {
	if e.do != nil {
		e.do()
		return
	}
	g.mu.Lock()
	here := e.conn == g.client
	g.mu.Unlock()
	switch {
	case e.toClient && here:
		e.conn.deliver(e.frame)
	case !e.toClient && here:
		g.agent.receive(e.frame)
	}
}

// pass lets a message on its way over c, or not. mu is held.
func (g *refGateway) pass(c *refConn, toClient bool, frame []byte) {
	if g.meddle != nil {
		var ok bool
		if frame, ok = g.meddle(toClient, frame); !ok {
			return
		}
	}
	if c == nil {
		return
	}
	g.passed++
	if g.made < len(g.faults.cuts) && g.passed >= g.faults.cuts[g.made] {
		g.made++
		g.cut(c)
		return
	}
	drop, double, late := g.fate(toClient, frame)
	if drop {
		return
	}
	at := time.Since(g.start) + g.faults.latency
	g.push(refEvent{at: at + late, conn: c, frame: frame, toClient: toClient})
	if double {
		g.push(refEvent{at: at, conn: c, frame: frame, toClient: toClient})
	}
}

// fate says what becomes of a message. mu is held.
func (g *refGateway) fate(toClient bool, frame []byte) (drop, double bool, late time.Duration) {
	id, direction := identity(toClient, frame), 0
	if toClient {
		direction = 1
	}
	g.seen[id]++
	h := mix(g.faults.seed ^ mix(uint64(id.sequence)<<8|uint64(id.kind)) ^ g.seen[id]<<48)
	chance := func() float64 { h = mix(h); return float64(h>>11) / (1 << 53) }
	loss, burst := g.faults.loss, g.faults.burst
	if burst > 1 { // the chance that a row begins
		loss /= float64(burst) - float64(burst-1)*loss
	}
	switch {
	case g.lost[direction] > 0:
		g.lost[direction]--
		return true, false, 0
	case chance() < loss:
		g.lost[direction] = max(0, burst-1)
		return true, false, 0
	}
	double = chance() < g.faults.duplicate
	if chance() < g.faults.reorder {
		late = time.Duration(chance() * float64(g.faults.lateness))
	}
	return false, double, late
}

func identity(toClient bool, frame []byte) refIdentity {
	id := refIdentity{sequence: int64(binary.BigEndian.Uint64(frame[48:]))}
	if toClient {
		id.kind = 1
	}
	if frame[4] == 'a' { // acknowledge: which
		id.kind |= 2
		const name = `SequenceNumber":`
		id.sequence = 0
		for _, c := range frame[bytes.Index(frame, []byte(name))+len(name):] {
			if c < '0' || c > '9' {
				break
			}
			id.sequence = 10*id.sequence + int64(c-'0')
		}
	}
	return id
}

// mix is the finisher of splitmix64: https://prng.di.unimi.it/splitmix64.c
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// cut loses the client's connection. mu is held.
func (g *refGateway) cut(c *refConn) {
	c.fail(errRefCut, g.faults.rude)
	if g.client == c {
		g.client = nil
	}
	g.heals = time.Now().Add(g.faults.outage)
	if g.faults.pauses {
		g.push(refEvent{at: time.Since(g.start) + g.faults.latency, do: func() { g.agent.pause(true) }})
	}
}

var errRefCut = errors.New("connection reset by the test")

// resume is ResumeSession, for Config.Resume.
func (g *refGateway) resume(context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case time.Now().Before(g.heals):
		return "", errors.New("no route to the test")
	case g.closed != nil && g.faults.goodby:
		return "", nil
	}
	g.tokens++
	return fmt.Sprintf("token-%d", g.tokens), nil
}

// dial opens a connection, for Config.Dial.
func (g *refGateway) dial(context.Context) (Transport, error) {
	c := &refConn{gateway: g}
	c.changed = sync.NewCond(&c.mu)
	return c, nil
}

// opened takes the first frame of a connection, a text. mu is held.
func (g *refGateway) opened(c *refConn, text []byte) {
	c.mu.Lock()
	dead := c.err != nil
	c.mu.Unlock()
	if dead {
		return // cut before the greeting arrived
	}
	var open struct{ MessageSchemaVersion, RequestId, TokenValue, ClientId, ClientVersion string }
	err := json.Unmarshal(text, &open)
	if want := fmt.Sprintf("token-%d", g.tokens); err != nil || open.TokenValue != want || open.MessageSchemaVersion != "1.0" ||
		open.RequestId == "" || open.ClientId == "" || g.clientID != "" && open.ClientId != g.clientID {
		g.t.Errorf("the client opened its channel with %q, want token %q and client %q", text, want, g.clientID)
	}
	g.clientID = open.ClientId
	if g.client != nil { // the newest wins
		g.client.fail(errRefCut, true)
	}
	g.client = c
	switch {
	case g.closed != nil:
		g.say(g.closed)
	case !g.faults.silent:
		start := g.agent.encode(&refMessage{kind: "start_publication", flags: 3})
		g.say(start)
		g.push(refEvent{at: time.Since(g.start) + g.faults.latency, do: func() { g.agent.pause(false) }})
	}
}

// say sends the client a message of the service itself, which is not lost but
// may be overtaken. mu is held.
func (g *refGateway) say(frame []byte) {
	g.push(refEvent{at: time.Since(g.start) + g.faults.latency, conn: g.client, frame: frame, toClient: true})
}

// config is a Config that connects to the gateway.
func (g *refGateway) config() Config {
	return Config{SessionID: "s-1", Token: "token-0", Dial: g.dial, Resume: g.resume, TargetID: refTarget, DataKey: refDataKey}
}

// report takes agent_session_state, and closes the channel at the end.
func (g *refGateway) report(frame []byte) {
	var state struct{ SessionState string }
	if err := json.Unmarshal(frame[refHeader:], &state); err != nil || state.SessionState == "Connected" {
		return
	}
	output := ""
	if state.SessionState != "Terminating" {
		output = state.SessionState
	}
	p := fmt.Appendf(nil, `{"MessageId":"m-1","CreatedDate":"1","DestinationId":"d-1","SessionId":"s-1","MessageType":"channel_closed","SchemaVersion":1,"Output":%q}`, output)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = g.agent.encode(&refMessage{kind: "channel_closed", flags: 3, payload: p})
	if g.client != nil {
		g.say(g.closed)
	}
}

func (g *refGateway) rouse() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// push adds an event; those of one time happen in the order they came in. mu is
// held.
func (g *refGateway) push(e refEvent) {
	g.order++
	e.order = g.order
	g.events = append(g.events, e)
	i := len(g.events) - 1
	for i > 0 && g.before(i, (i-1)/2) {
		g.events[i], g.events[(i-1)/2] = g.events[(i-1)/2], g.events[i]
		i = (i - 1) / 2
	}
	if i == 0 {
		g.rouse()
	}
}

func (g *refGateway) before(i, j int) bool {
	a, b := &g.events[i], &g.events[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (g *refGateway) pop() refEvent {
	e, last := g.events[0], len(g.events)-1
	g.events[0] = g.events[last]
	g.events[last] = refEvent{}
	g.events = g.events[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && g.before(child+1, child) {
			child++
		}
		if child >= last || !g.before(child, i) {
			return e
		}
		g.events[i], g.events[child] = g.events[child], g.events[i]
		i = child
	}
}

// refConn is a client's connection.
type refConn struct {
	gateway *refGateway
	greeted bool // protected by gateway.mu

	beforeWait func() error // the reader's own; nil: nobody wants to know

	mu      sync.Mutex // protects what follows; taken after gateway.mu
	changed *sync.Cond
	queue   [][]byte
	err     error
}

// BeforeWait is as of sockets, when messages gather.
func (c *refConn) BeforeWait(f func() error) bool {
	if c.gateway.clump == 0 {
		return false
	}
	c.beforeWait = f
	return true
}

func (c *refConn) ReadFrame() (Frame, error) {
	if c.beforeWait != nil && c.empty() {
		if err := c.beforeWait(); err != nil {
			return Frame{}, err
		}
		time.Sleep(c.gateway.clump)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && c.err == nil {
		c.changed.Wait()
	}
	if len(c.queue) == 0 {
		return Frame{}, c.err
	}
	frame := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return Frame{Data: frame}, nil
}

func (c *refConn) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

func (c *refConn) WriteFrame(frame Frame) error {
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if frame.Text == c.greeted {
		g.t.Errorf("a frame with text %v, %d bytes, is not as it must be", frame.Text, len(frame.Data))
		return nil
	}
	data := bytes.Clone(frame.Data)
	if !c.greeted {
		c.greeted = true
		g.push(refEvent{at: time.Since(g.start) + g.faults.latency, do: func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.opened(c, data)
		}})
		return nil
	}
	if len(data) < refHeader {
		g.t.Errorf("the client sent a message of %d bytes", len(data))
		return nil
	}
	g.pass(c, false, data)
	return nil
}

func (c *refConn) Close() error {
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	c.fail(io.ErrClosedPipe, true)
	if g.client == c {
		g.client = nil
	}
	return nil
}

func (c *refConn) deliver(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.queue = append(c.queue, frame)
		c.changed.Broadcast()
	}
}

func (c *refConn) fail(err error, rude bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	if rude {
		c.queue = nil
	}
	c.changed.Broadcast()
}
