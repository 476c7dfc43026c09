package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// AgentConfig says how the agent's end of a channel behaves. The zero value of
// every field but SessionID is what an agent does.
type AgentConfig struct {
	SessionID string

	// SessionType and Properties are announced in the handshake, when
	// Handshake asks for one; agents do so for Port and NonInteractiveCommands
	// and, without KMS, not for the pty kinds.
	SessionType  SessionType
	Properties   json.RawMessage // nil: null
	AgentVersion string          // default "3.3.0.0"
	Handshake    bool

	// CustomerMessage goes with the handshake's completion.
	CustomerMessage string

	// Input is given the client's stream data, in order and never
	// concurrently, but for the handshake's own. It must not keep the bytes.
	// ErrNotReady: the message is not acknowledged and comes again. Another
	// error ends the connection. While it runs nothing is received, as in an
	// agent that writes to a full pty. Nil: input is acknowledged and dropped.
	Input func(payloadType PayloadType, data []byte) error

	// MaxPayload is the most bytes in a message. Default 1024.
	MaxPayload int
	// Queue is how many messages may be unacknowledged before Stdout and
	// Stderr wait. Default 4096.
	Queue int
	// Resend is how many of the oldest unacknowledged messages are looked at
	// for retransmission at a time. Default 1, the agent's habit: only the
	// head of the line is ever sent again.
	Resend int
	// HandshakeTimeout bounds the wait for the handshake's response, from the
	// time a client is attached. Default 15 s.
	HandshakeTimeout time.Duration
	// CloseWait bounds Close's wait for acknowledgements. Default 2 s.
	CloseWait time.Duration
}

func (c AgentConfig) withDefaults() AgentConfig {
	if c.AgentVersion == "" {
		c.AgentVersion = "3.3.0.0"
	}
	for _, n := range []struct {
		value  *int
		byRule int
	}{{&c.MaxPayload, 1024}, {&c.Queue, 4096}, {&c.Resend, 1}} {
		if *n.value == 0 {
			*n.value = n.byRule
		}
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 15 * time.Second
	}
	if c.CloseWait == 0 {
		c.CloseWait = 2 * time.Second
	}
	return c
}

// lingerTimeout is how long a client may take to leave after channel_closed.
// Closing at once could destroy it on its way: a TCP connection that is closed
// with unread bytes resets.
const lingerTimeout = 2 * time.Second

// openTimeout bounds the wait for OpenDataChannel on a new connection.
const openTimeout = 30 * time.Second

// Agent is the other end of a data channel: the agent and the service between,
// seen from the client as one. It outlives connections: each one that a client
// opens is given to Attach. Its methods may be called from any goroutine.
type Agent struct {
	cfg    AgentConfig
	stream *stream
	ready  chan struct{} // closed when the agent may begin its work
	done   chan struct{} // closed when the session begins to end
	hurry  atomic.Bool   // Terminate: nobody waits for acknowledgements

	serving sync.Mutex // held by the Attach that receives

	mu        sync.Mutex // protects what follows
	transport Transport  // of the newest Attach
	left      chan struct{}
	client    OpenDataChannel
	started   time.Time // of the handshake; zero: nobody was attached yet
	complete  bool      // data is taken: the handshake is complete, or there is none
	timer     *time.Timer
	ending    bool
	closed    []byte // the channel_closed that was, or is to be, sent
	err       error  // why the handshake failed
}

// NewAgent returns an agent to which nobody is attached. What it sends is
// queued until somebody is.
func NewAgent(cfg AgentConfig) *Agent {
	a := &Agent{
		cfg:   cfg.withDefaults(),
		ready: make(chan struct{}),
		done:  make(chan struct{}),
	}
	a.stream = newStream(agentRole, a.cfg.Queue, a.cfg.Resend, a.deliver)
	a.complete = !cfg.Handshake
	if cfg.Handshake {
		a.stream.hold() // no data before the handshake is complete
		a.requestHandshake()
	}
	return a
}

// Attach serves one connection. It reads OpenDataChannel and asks check (nil:
// all are welcome), then announces start_publication, sends again whatever the
// client has not acknowledged, and receives until the connection ends or ctx
// does. A connection that is still attached is closed first: the newest wins.
// The transport is closed when Attach returns. The error says why it ended;
// nil when the session was closed.
func (a *Agent) Attach(ctx context.Context, t Transport, check func(OpenDataChannel) error) error {
	defer t.Close()
	stop := context.AfterFunc(ctx, func() { t.Close() })
	defer stop()
	impatient := time.AfterFunc(openTimeout, func() { t.Close() })
	open, err := readOpen(t)
	impatient.Stop()
	if err == nil && check != nil {
		err = check(open)
	}
	if err != nil {
		return fmt.Errorf("attach client: %w", err)
	}
	left := a.take(t)
	defer close(left)
	a.serving.Lock()
	defer a.serving.Unlock()
	if err := a.welcome(t, open); err != nil {
		return err
	}
	defer a.stream.detach(t)
	err = a.serve(t)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed != nil {
		return nil
	}
	return err
}

func readOpen(t Transport) (OpenDataChannel, error) {
	frame, err := t.ReadFrame()
	if err != nil {
		return OpenDataChannel{}, err
	}
	if !frame.Text {
		return OpenDataChannel{}, &ProtocolError{Doing: "read open data channel", Err: errors.New("a binary frame")}
	}
	return ParseOpenDataChannel(frame.Data)
}

// take makes t the newest transport and closes the one before. The channel
// that it returns is to be closed when t's Attach is over.
func (a *Agent) take(t Transport) chan struct{} {
	left := make(chan struct{})
	a.mu.Lock()
	before := a.transport
	a.transport, a.left = t, left
	a.mu.Unlock()
	if before != nil {
		before.Close()
	}
	return left
}

// welcome starts the traffic on a new connection, or tells the client that the
// session is over.
func (a *Agent) welcome(t Transport, open OpenDataChannel) error {
	a.mu.Lock()
	a.client = open
	closed := a.closed
	first := a.started.IsZero()
	if first {
		a.started = time.Now()
		if a.cfg.Handshake && !a.ending {
			a.timer = time.AfterFunc(a.cfg.HandshakeTimeout, a.handshakeTimedOut)
		}
	}
	a.mu.Unlock()
	greeting := closed
	if closed == nil {
		greeting = serviceMessage(TypeStartPublication, nil)
	}
	if err := t.WriteFrame(Frame{Data: greeting}); err != nil {
		return fmt.Errorf("attach client: %w", err)
	}
	if closed != nil {
		time.AfterFunc(lingerTimeout, func() { t.Close() })
		return nil
	}
	a.stream.attach(t)
	if first && !a.cfg.Handshake {
		close(a.ready)
	}
	return nil
}

// serve receives until the connection ends.
func (a *Agent) serve(t Transport) error {
	for {
		frame, err := t.ReadFrame()
		if err != nil {
			return err
		}
		if frame.Text {
			return errTextFrame
		}
		if _, _, err := a.stream.receive(t, frame.Data); err != nil {
			return err
		}
	}
}

// deliver takes the client's stream, message by message.
func (a *Agent) deliver(payloadType PayloadType, payload []byte) error {
	a.mu.Lock()
	complete := a.complete
	a.mu.Unlock()
	switch {
	case payloadType == PayloadHandshakeResponse && !complete:
		return a.handshakeResponse(payload)
	case !complete, a.cfg.Input == nil, payloadType == PayloadHandshakeResponse:
		return nil // acknowledged and thrown away
	}
	return a.cfg.Input(payloadType, payload)
}

// Ready waits until the agent may begin its work: the handshake is complete,
// or, without one, a client was attached. It fails when the handshake does, when
// the session is closed, or when ctx ends.
func (a *Agent) Ready(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-a.done:
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.err != nil {
			return a.err
		}
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Client returns what the client that is or was attached last said of itself.
func (a *Agent) Client() OpenDataChannel {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.client
}

// Paused reports whether nothing can be published now: no client is attached.
func (a *Agent) Paused() bool { return !a.stream.attached() }

// Stdout queues output (payload type 1), cut into messages, and sends it if a
// client is attached and the handshake, if any, is complete. It waits while the
// queue is full. It fails after the end
// of the session.
func (a *Agent) Stdout(p []byte) error { return a.output(PayloadOutput, p) }

// Stderr is Stdout for payload type 11.
func (a *Agent) Stderr(p []byte) error { return a.output(PayloadStdErr, p) }

func (a *Agent) output(payloadType PayloadType, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), a.cfg.MaxPayload)
		if err := a.Send(payloadType, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Send queues one message of any payload type, as it is, like Stdout.
func (a *Agent) Send(payloadType PayloadType, payload []byte) error {
	select {
	case <-a.done:
		return ErrClosed
	default:
		return a.stream.send(payloadType, payload)
	}
}

// Exit sends the exit code (payload type 12).
func (a *Agent) Exit(code int) error { return a.Send(PayloadExitCode, AppendExitCode(nil, code)) }

// Drain waits until everything queued was acknowledged, the session is over or
// ctx ended.
func (a *Agent) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.stream.wake)
	defer stop()
	a.stream.drained(func() bool { return ctx.Err() != nil })
	return ctx.Err()
}

// Close ends the session as an agent does: it waits at most CloseWait for
// acknowledgements, then the service tells the client channel_closed with the
// given text. What was not acknowledged by then is lost. It returns when the
// connection has ended; a client that attaches later is told channel_closed at
// once. Only the first of Close and Terminate decides the text.
func (a *Agent) Close(output string) error { return a.end(output, false) }

// Terminate ends the session as TerminateSession does: channel_closed at once.
func (a *Agent) Terminate(output string) error { return a.end(output, true) }

// Done is closed when Close or Terminate began to end the session, or the
// handshake failed.
func (a *Agent) Done() <-chan struct{} { return a.done }

// Stats returns the counts so far.
func (a *Agent) Stats() Stats { return a.stream.counters.stats() }

func (a *Agent) end(output string, hurry bool) error {
	a.mu.Lock()
	first := !a.ending
	if first {
		a.ending = true
		close(a.done)
	}
	a.mu.Unlock()
	if hurry {
		a.hurry.Store(true)
		a.stream.wake()
	}
	if first {
		a.waitForAcks()
	}

	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	announce := a.closed == nil
	if announce {
		a.closed = channelClosed(a.cfg.SessionID, output)
	}
	closed, t, left := a.closed, a.transport, a.left
	a.mu.Unlock()
	if t != nil {
		if announce {
			a.stream.write(t, closed)
		}
		await(left, lingerTimeout)
		t.Close()
		await(left, lingerTimeout) // an Input that blocks keeps Attach, not us
	}
	a.stream.end(ErrClosed)
	return nil
}

// await waits for the channel to be closed, but not for ever.
func await(closed <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// waitForAcks waits as long as an agent does before it lets go.
func (a *Agent) waitForAcks() {
	var over atomic.Bool
	timer := time.AfterFunc(a.cfg.CloseWait, func() {
		over.Store(true)
		a.stream.wake()
	})
	defer timer.Stop()
	a.stream.drained(func() bool { return over.Load() || a.hurry.Load() })
}

// serviceMessage is a message of the service's own.
func serviceMessage(kind string, payload []byte) []byte {
	return AppendMessage(nil, &Message{
		Type:          kind,
		SchemaVersion: 1,
		CreatedDate:   uint64(time.Now().UnixMilli()),
		Flags:         FlagSYN | FlagFIN,
		ID:            newUUID(),
		Payload:       payload,
	})
}

func channelClosed(sessionID, output string) []byte {
	payload, err := json.Marshal(ChannelClosed{
		CreatedDate:   strconv.FormatInt(time.Now().UnixMilli(), 10),
		MessageID:     newUUID().String(),
		MessageType:   TypeChannelClosed,
		Output:        output,
		SchemaVersion: 1,
		SessionID:     sessionID,
	})
	if err != nil {
		panic(err) // strings and a number
	}
	return serviceMessage(TypeChannelClosed, payload)
}
