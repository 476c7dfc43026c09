package channel

import (
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// role tells the two ends of a stream apart.
type role struct {
	sends, receives string // types of stream data
	firstFlags      uint64 // flags of message 0, as the recorded peers set them
}

var (
	clientRole = role{sends: TypeInput, receives: TypeOutput}
	agentRole  = role{sends: TypeOutput, receives: TypeInput, firstFlags: FlagSYN}
)

// stream is one end of the reliable stream: it numbers, acknowledges, sends
// again and puts in order, over one transport after another. It is the same
// for both ends; what the messages mean is its owner's business.
//
// Sending: whoever sends writes to the transport himself; what must be sent
// again is written by the pump, which runs on a timer that is armed only while
// something is unacknowledged. Receiving: one goroutine of the owner's calls
// receive for each frame; what its owner was not ready for is delivered again on
// a timer. No goroutine is the stream's own.
type stream struct {
	role    role
	limit   int // of unacknowledged messages, before send waits
	burst   int // how many of the oldest are looked at to send again
	deliver func(PayloadType, []byte) error
	accept  func() error // has what was delivered accepted; nil: deliver does

	counters counters
	waiting  atomic.Int32 // senders that wait for room
	starving func()       // not nil: called when one begins to; takes no lock of ours
	heard    atomic.Bool  // an acknowledgement came

	// The receiver's own, guarded by receiving.
	receiving  sync.Mutex // held while a message is taken in
	inbox      inbox
	kept       bool // what is delivered now was kept, and acknowledged, before
	corruptRow int
	owed       []debt    // what is to be acknowledged, once it was accepted
	from       Transport // what brought it; nil: none does
	ackPayload []byte

	// sending is held while a message is numbered and written, so that
	// messages leave in the order of their numbers. It is taken before mu.
	sending sync.Mutex

	mu        sync.Mutex // protects what follows; never held while writing
	changed   *sync.Cond // tells senders of room, and of the end
	window    sendWindow
	trip      roundTrip
	transport Transport // nil: nobody is attached
	failing   Transport // to be closed soon, for this reason:
	reason    error
	broken    error // what a late delivery came to; see deliverLater
	later     *time.Timer
	paused    bool
	credit    int // of messages that wait to be sent, those that may go now
	grant     int // the credit that patience gave last
	gate      gate
	sealer    *sealer // nil: nothing is encrypted
	early     []early // data that the gate holds, or may take back
	err       error   // set: the stream is over
	timer     *time.Timer
	armed     bool // the timer is set
	pumping   bool
	pumpedAt  time.Time
}

const (
	// firstCredit is how many messages are sent on a connection that replaces
	// another before one is acknowledged.
	firstCredit = 8
	// patience is by how much credit grows when none is: AWS's plugin does not
	// acknowledge again what it has (session-manager-plugin,
	// datachannel/streaming.go, HandleOutputMessage), and behind that there may be
	// what it has not.
	patience = 4
)

// lastWords is how long a transport that cannot be written to may be read.
const lastWords = time.Second

func newStream(r role, limit, burst int, deliver func(PayloadType, []byte) error) *stream {
	s := &stream{role: r, limit: limit, burst: min(burst, pumpChunk), deliver: deliver}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// send queues one message of data and writes it if it can go now. It waits
// while too much is unacknowledged. The payload is copied.
func (s *stream) send(payloadType PayloadType, payload []byte) error {
	s.awaitRoom()
	_, err := s.enqueue(payloadType, payload, max(1, len(payload)), true)
	return err
}

// sendAll is send of p in messages of at most size bytes, many of which are
// written at a time. It returns how much of p was queued.
func (s *stream) sendAll(payloadType PayloadType, p []byte, size int) (queued int, err error) {
	for queued < len(p) && err == nil {
		room := s.awaitRoom()
		var n int
		n, err = s.enqueue(payloadType, p[queued:min(len(p), queued+room*size)], size, true)
		queued += n
	}
	return queued, err
}

// awaitRoom waits while too much is unacknowledged. It returns how many
// messages may be sent then, as many as are written at a time.
func (s *stream) awaitRoom() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.room() <= 0 {
		s.waitForRoom()
	}
	return min(max(1, s.room()), pumpChunk)
}

// waitForRoom waits once, and lets it be known. mu is held.
func (s *stream) waitForRoom() {
	s.waiting.Add(1)
	if s.starving != nil {
		s.starving()
	}
	s.changed.Wait()
	s.waiting.Add(-1)
}

// room is how many messages of data may be sent before a sender must wait. mu
// is held.
func (s *stream) room() int {
	if s.gate == gateHeld {
		return s.limit - s.window.unacked - len(s.early)
	}
	return s.limit - s.window.unacked
}

// sendNow is send without waiting for room, and past what is held: for the
// handshake's own messages, which come from the goroutine that also takes in
// the acknowledgements.
func (s *stream) sendNow(payloadType PayloadType, payload []byte) error {
	_, err := s.enqueue(payloadType, payload, max(1, len(payload)), false)
	return err
}

// enqueue queues p, which is one message or not empty, and writes what can go.
func (s *stream) enqueue(payloadType PayloadType, p []byte, size int, data bool) (queued int, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	var buffer [pumpChunk][]byte
	frames, transport, err := s.number(payloadType, p, size, data, buffer[:0])
	if err != nil {
		return 0, err
	}
	if len(frames) > 0 {
		s.write(transport, frames...)
	}
	return len(p), nil
}

// number adds p to the window, or to what is held. It returns the frames that
// are to be written at once, and the transport.
func (s *stream) number(payloadType PayloadType, p []byte, size int, data bool, frames [][]byte) ([][]byte, Transport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, nil, s.err
	}
	now, inLine, n := time.Now(), s.window.hasUnsent(), 0
	for more := true; more; more = len(p) > 0 {
		part := p[:min(len(p), size)]
		p = p[len(part):]
		if data && s.gate != gateOpen {
			s.remember(payloadType, part)
			if s.gate == gateHeld {
				continue
			}
		}
		s.push(now, payloadType, part)
		n++
	}
	if n == 0 || s.transport == nil || s.paused || inLine {
		return nil, nil, nil // it waits for the pump, which runs or will be kicked
	}
	frames, _ = s.window.takeUnsent(now, n, frames)
	if !s.armed {
		s.arm(now)
	}
	return frames, s.transport, nil
}

// push numbers a message and adds it to the window. It is there before it is
// written: an acknowledgement can be faster than the writer's next line.
func (s *stream) push(now time.Time, payloadType PayloadType, payload []byte) {
	if s.sealer != nil && s.sealer.types[payloadType] {
		payload = s.sealer.seal(payload)
	}
	m := Message{
		Type:          s.role.sends,
		SchemaVersion: 1,
		CreatedDate:   uint64(now.UnixMilli()),
		Sequence:      s.window.next(),
		ID:            newUUID(),
		PayloadType:   payloadType,
		Payload:       payload,
	}
	if m.Sequence == 0 {
		m.Flags = s.role.firstFlags
	}
	frame := AppendMessage(make([]byte, 0, payloadOffset+len(payload)), &m)
	s.window.push(frame)
	s.counters.messagesSent.Add(1)
	s.counters.bytesSent.Add(int64(len(payload)))
}

// encrypt makes messages that get their number from now on encrypted, those of
// the sealer's types.
func (s *stream) encrypt(with *sealer) {
	s.mu.Lock()
	s.sealer = with
	s.mu.Unlock()
}

// write writes messages, all at once where the transport can.
func (s *stream) write(t Transport, frames ...[]byte) {
	if many, ok := t.(manyWriter); ok {
		s.wrote(t, many.WriteFrames(frames))
		return
	}
	for _, frame := range frames {
		s.wrote(t, t.WriteFrame(Frame{Data: frame}))
	}
}

// manyWriter is a transport that writes many binary frames at the price of one.
type manyWriter interface{ WriteFrames(frames [][]byte) error }

// wrote notes how a write ended. A transport that fails is closed, so that its
// reader learns of it; the frame is in the window or will be asked for again.
// It is closed a little later: the other end may have hung up behind its last
// words, and those can still be read.
func (s *stream) wrote(t Transport, err error) {
	if err == nil {
		return
	}
	if s.condemn(t, err) {
		time.AfterFunc(lastWords, func() { t.Close() })
	}
}

// abandon closes a transport and remembers why.
func (s *stream) abandon(t Transport, reason error) {
	s.condemn(t, reason)
	t.Close()
}

// condemn notes why a transport is to be closed; the first reason stays.
func (s *stream) condemn(t Transport, reason error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first = s.failing != t; first {
		s.failing, s.reason = t, reason
	}
	return first
}

// ended returns what the end of a connection means to its reader: a *lostError,
// with our own reason for closing it if that was it, or what must end the
// session.
func (s *stream) ended(t Transport, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return s.broken
	case errors.As(err, new(*ProtocolError)):
		return err
	case s.failing == t && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)):
		err = s.reason
	}
	return &lostError{err}
}

// attach makes t the transport and sends again all that is unacknowledged. On
// a connection that replaces another it begins with little and sends two more
// for each acknowledgement: if connections die young, each one still carries
// what can be acknowledged while it lives, instead of all at once and nothing.
func (s *stream) attach(t Transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transport, s.paused, s.credit = t, false, math.MaxInt
	if s.counters.attaches.Add(1) > 1 {
		s.credit, s.grant = firstCredit, firstCredit
	}
	s.window.unsend()
	s.kick()
}

// detach forgets the transport, if it is still this one.
func (s *stream) detach(t Transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport == t {
		s.transport = nil
	}
}

// attached reports whether messages can be sent now.
func (s *stream) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport != nil && !s.paused
}

// waits reports whether something of ours is not acknowledged.
func (s *stream) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.unacked > 0
}

// pause stops sending, and sending again; unpause goes on.
func (s *stream) pause() {
	s.mu.Lock()
	s.paused = true
	s.mu.Unlock()
}

func (s *stream) unpause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		s.paused = false
		s.kick()
	}
}

// acknowledged takes an acknowledgement from the other end.
func (s *stream) acknowledged(sequence int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rtt, clean, ok := s.window.acknowledge(sequence, time.Now())
	if !ok {
		return
	}
	s.heard.Store(true)
	if clean {
		s.trip.sample(rtt)
	}
	if s.window.unacked == 0 {
		s.disarm()
	}
	if s.window.hasUnsent() {
		s.credit += min(2, math.MaxInt-s.credit)
		s.kick()
	}
	// Those who wait for room go on with many at once. Behind a loss there may be
	// no many for long: acknowledgements come as messages are sent again.
	if s.window.unacked == 0 || s.window.held() || s.room() >= min(pumpChunk, s.limit/4) {
		s.changed.Broadcast()
	}
}

// drained waits until nothing is unacknowledged or the stream is over.
// Whoever wants to stop waiting earlier calls wake after making stop true.
func (s *stream) drained(stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && (s.window.unacked > 0 || s.gate == gateHeld && len(s.early) > 0) && !stop() {
		s.changed.Wait()
	}
}

// wake makes everyone who waits for room or for the end look again.
func (s *stream) wake() {
	s.mu.Lock()
	s.changed.Broadcast()
	s.mu.Unlock()
}

// end makes the stream refuse what comes and waits for the pump. The owner has
// closed the transport, so that nobody writes for long.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.disarm()
	if s.later != nil {
		s.later.Stop()
	}
	s.changed.Broadcast()
	for s.pumping {
		s.changed.Wait()
	}
	s.window = sendWindow{first: s.window.next()}
	s.early = nil
}
