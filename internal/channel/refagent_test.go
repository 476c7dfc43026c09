package channel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// refConfig says what kind of agent a refAgent is. The zero value is one with a
// shell, without a handshake, that never gives up on its output.
type refConfig struct {
	kind       string // of the session, as the handshake says it; "": Standard_Stream
	properties string // JSON; "": null
	handshake  bool   // also without a key
	key        string // the KMS key; "": nothing is encrypted

	// notReady is how long after the handshake input is neither taken nor
	// acknowledged, because there is no pty yet.
	notReady time.Duration
	// replyWait ends the session if a reply of the handshake takes so long;
	// 15 s in an agent. 0: never.
	replyWait time.Duration
	// closeWait is how long finish waits for what is unacknowledged, 2 s in an
	// agent. 0: as long as it takes.
	closeWait time.Duration

	// opened is told when data may flow, and input takes the client's stream
	// data in order, decrypted. Both may be nil.
	opened func()
	input  func(payloadType uint32, p []byte)
}

// refAgent is the agent by its rules. It is a value that reacts: one goroutine,
// the gateway's, calls everything.
type refAgent struct {
	refConfig
	rng      *rand.Rand
	emit     func(frame []byte)              // to the gateway
	after    func(d time.Duration, f func()) // on the same goroutine
	complain func(format string, args ...any)
	started  time.Time

	// Its own stream. unacked[i] has the number first+i.
	first             int64
	unacked           []refSent
	waiting           int
	srtt, rttvar, rto float64 // ns
	paused            bool
	ticking           bool
	resends           int

	// The client's.
	expected int64
	early    map[int64]refMessage
	readyAt  time.Time

	complete bool // data is taken
	shaking  int  // the payload type of the reply that is due; 0: none
	then     func(reply []byte)
	crypt    *refCrypt

	finishing bool
	ended     bool
}

type refSent struct {
	frame []byte // nil: acknowledged, or never stored
	id    [16]byte
	last  time.Time
}

const (
	refChunk    = 1024
	refUnacked  = 100_000
	refEarly    = 100_000
	refTick     = 100 * time.Millisecond
	refFirstRTO = 200 * time.Millisecond
)

func newRefAgent(conf refConfig, seed uint64) *refAgent {
	if conf.kind == "" {
		conf.kind = "Standard_Stream"
	}
	return &refAgent{refConfig: conf, rng: rand.New(rand.NewPCG(seed, 7)),
		srtt: float64(100 * time.Millisecond), rto: float64(refFirstRTO), early: map[int64]refMessage{}}
}

// start is the agent's connection to the service.
func (a *refAgent) start() {
	a.started = time.Now()
	a.state("Connected")
	if a.handshake || a.key != "" {
		a.requestHandshake()
		return
	}
	a.open()
}

// open lets data flow.
func (a *refAgent) open() {
	a.complete = true
	a.readyAt = time.Now().Add(a.notReady)
	if a.opened != nil {
		a.opened()
	}
}

// send is stream data of any payload type, one message.
func (a *refAgent) send(payloadType uint32, p []byte) {
	if len(p) == 0 || a.ended {
		return
	}
	if a.crypt != nil && (payloadType == 1 || payloadType == 11 || payloadType == 12) {
		p = a.crypt.seal(p)
	}
	m := refMessage{kind: "output_stream_data", sequence: a.first + int64(len(a.unacked)), payloadType: payloadType, payload: p}
	if m.sequence == 0 {
		m.flags = 1
	}
	frame := a.encode(&m)
	if !a.paused {
		a.emit(frame)
	}
	if a.waiting == refUnacked {
		frame = nil
	} else {
		a.waiting++
	}
	a.unacked = append(a.unacked, refSent{frame, m.id, time.Now()})
	a.tickLater()
}

// output cuts p into messages.
func (a *refAgent) output(payloadType uint32, p []byte) {
	for len(p) > 0 {
		n := min(len(p), refChunk)
		a.send(payloadType, p[:n])
		p = p[n:]
	}
}

func (a *refAgent) exit(code int) { a.send(12, []byte("EXIT_CODE: "+strconv.Itoa(code))) }

func (a *refAgent) encode(m *refMessage) []byte {
	m.created = uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint64(m.id[:], a.rng.Uint64())
	binary.BigEndian.PutUint64(m.id[8:], a.rng.Uint64())
	return m.encode()
}

// tickLater makes the next tick of the 100 ms clock come.
func (a *refAgent) tickLater() {
	if a.ticking || a.waiting == 0 {
		return
	}
	a.ticking = true
	a.after(refTick-time.Since(a.started)%refTick, a.tick)
}

// tick sends the oldest unacknowledged message again, if it waits too long.
func (a *refAgent) tick() {
	a.ticking = false
	if a.ended {
		return
	}
	for i := range a.unacked {
		s := &a.unacked[i]
		if s.frame == nil {
			continue
		}
		if now := time.Now(); !a.paused && float64(now.Sub(s.last)) > a.rto {
			s.last = now
			a.resends++
			a.emit(s.frame)
		}
		break
	}
	a.tickLater()
}

// receive takes a message of the client, or of the service.
func (a *refAgent) receive(frame []byte) {
	if a.ended {
		return
	}
	m, err := decodeRef(frame)
	if err != nil {
		a.complain("the client sent %q (number %d): %v", m.kind, m.sequence, err)
		return
	}
	a.paused = false
	if m.kind == "acknowledge" {
		a.acknowledged(&m)
		return
	}
	switch {
	case m.sequence < a.expected:
		a.acknowledge(&m)
	case m.sequence > a.expected:
		if len(a.early) < refEarly {
			a.acknowledge(&m)
			a.early[m.sequence] = m
		}
	default:
		if a.process(&m) != nil {
			return
		}
		a.acknowledge(&m)
		a.expected++
		for {
			next, ok := a.early[a.expected]
			if !ok || a.process(&next) != nil {
				return
			}
			delete(a.early, a.expected)
			a.expected++
		}
	}
}

type refAck struct {
	AcknowledgedMessageType           string
	AcknowledgedMessageId             string
	AcknowledgedMessageSequenceNumber int64
	IsSequentialMessage               bool
}

func (a *refAgent) acknowledge(m *refMessage) {
	p, _ := json.Marshal(refAck{m.kind, uuidText(m.id), m.sequence, true})
	a.emit(a.encode(&refMessage{kind: "acknowledge", flags: 3, payload: p}))
}

func (a *refAgent) acknowledged(m *refMessage) {
	var ack refAck
	if err := json.Unmarshal(m.payload, &ack); err != nil || ack.AcknowledgedMessageType != "output_stream_data" || !ack.IsSequentialMessage {
		a.complain("the client acknowledged with %q", m.payload)
		return
	}
	at := ack.AcknowledgedMessageSequenceNumber
	i := at - a.first
	if i >= int64(len(a.unacked)) {
		a.complain("the client acknowledged %d, which was not sent", at)
	}
	if i < 0 || i >= int64(len(a.unacked)) || a.unacked[i].frame == nil {
		return
	}
	s := &a.unacked[i]
	if uuidText(s.id) != ack.AcknowledgedMessageId {
		a.complain("the client acknowledged %d as %s, which is %s", at, ack.AcknowledgedMessageId, uuidText(s.id))
	}
	a.learn(float64(time.Since(s.last)))
	s.frame = nil
	a.waiting--
	for len(a.unacked) > 0 && a.unacked[0].frame == nil {
		a.unacked = a.unacked[1:]
		a.first++
	}
	a.closeIfDone()
}

// learn takes a round trip, also of a message that was sent twice.
func (a *refAgent) learn(rtt float64) {
	a.rttvar = 0.75*a.rttvar + 0.25*math.Abs(a.srtt-rtt)
	a.srtt = 0.875*a.srtt + 0.125*rtt
	a.rto = min(a.srtt+max(float64(10*time.Millisecond), 4*a.rttvar), float64(time.Second))
}

var errRefNotReady = errors.New("no pty yet")

// process takes the expected message.
func (a *refAgent) process(m *refMessage) error {
	p := m.payload
	if a.crypt != nil && m.payloadType == 1 && a.complete {
		plain, err := a.crypt.open(p)
		if err != nil {
			a.complain("input %d: %v", m.sequence, err)
			return err
		}
		p = plain
	}
	switch {
	case m.payloadType == 6 || m.payloadType == 9:
		a.reply(int(m.payloadType), p)
		return nil
	case !a.complete:
		return nil // acknowledged and thrown away
	case time.Now().Before(a.readyAt):
		return errRefNotReady
	}
	if a.input != nil {
		a.input(m.payloadType, p)
	}
	return nil
}

// pause is pause_publication, and start_publication its end.
func (a *refAgent) pause(paused bool) { a.paused = paused }

// finish ends the session when all that was sent is acknowledged.
func (a *refAgent) finish() {
	if a.finishing || a.ended {
		return
	}
	a.finishing = true
	if a.closeWait > 0 {
		a.after(a.closeWait, func() { a.end("") })
	}
	a.closeIfDone()
}

func (a *refAgent) closeIfDone() {
	if a.finishing && a.waiting == 0 {
		a.end("")
	}
}

// end ends the session now. The gateway makes it known.
func (a *refAgent) end(failure string) {
	if a.ended {
		return
	}
	if failure == "" {
		a.state("Terminating")
	} else {
		a.state("Failed: " + failure)
	}
	a.ended = true
}

func (a *refAgent) state(state string) {
	p := fmt.Sprintf(`{"SchemaVersion":1,"SessionState":%q,"SessionId":"s-1"}`, state)
	a.emit(a.encode(&refMessage{kind: "agent_session_state", flags: 3, payload: []byte(p)}))
}
