package channel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

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

	ctx     context.Context // ends when the session begins to end
	cancel  context.CancelFunc
	request string // the challenge of the handshake's request, when it asks for encryption

	serving sync.Mutex // held by the Attach that receives

	// The receiver's own, guarded by serving.
	opener *opener // nil: nothing is encrypted
	proof  []byte  // what the client must send back, encrypted; nil: nothing is due
	agreed bool    // the handshake's completion is due

	mu        sync.Mutex // protects what follows
	transport Transport  // of the newest Attach
	left      chan struct{}
	client    OpenDataChannel
	version   string    // of the client, from the handshake
	started   time.Time // of the handshake; zero: nobody was attached yet
	complete  bool      // data is taken: the handshake is complete, or there is none
	timer     *time.Timer
	ending    bool
	lastWords string // of the first Close or Terminate
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
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.complete = !a.cfg.Handshake
	if a.cfg.Handshake {
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
			return a.stream.ended(t, err)
		}
		if frame.Text {
			return errTextFrame
		}
		_, _, err = a.stream.receive(t, frame.Data)
		if err == nil {
			err = a.stream.settle(t) // each alone, as agents do: Input may wait at the next
		}
		if a.agreed {
			a.agreed = false
			err = errors.Join(a.completeHandshake(), err)
		}
		if err != nil {
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
	case payloadType == PayloadHandshakeResponse && !complete && !a.agreed && a.proof == nil:
		return a.handshakeResponse(payload)
	case payloadType == PayloadEncChallengeResponse && !complete && a.proof != nil:
		return a.challengeResponse(payload)
	case !complete, payloadType == PayloadHandshakeResponse, payloadType == PayloadEncChallengeResponse:
		return nil // acknowledged and thrown away
	case a.opener != nil && a.opener.types[payloadType]:
		return a.sealedInput(payloadType, payload)
	case a.cfg.Input == nil:
		return nil
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

// ClientVersion returns the client's version as its handshake had it, by which
// agents decide what they do; "" without a handshake.
func (a *Agent) ClientVersion() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.version
}

// Paused reports whether nothing can be published now: no client is attached.
func (a *Agent) Paused() bool { return !a.stream.attached() }

// Stdout queues output (payload type 1), cut into messages, and sends it if a
// client is attached and the handshake, if any, is complete. It waits while the
// queue is full. It fails after the end
// of the session.
func (a *Agent) Stdout(p []byte) error { return a.SendAll(PayloadOutput, p, a.cfg.MaxPayload) }

// Stderr is Stdout for payload type 11.
func (a *Agent) Stderr(p []byte) error { return a.SendAll(PayloadStdErr, p, a.cfg.MaxPayload) }

// SendAll queues p in messages of at most size bytes, like Stdout.
func (a *Agent) SendAll(payloadType PayloadType, p []byte, size int) error {
	select {
	case <-a.done:
		return ErrClosed
	default:
		_, err := a.stream.sendAll(payloadType, p, size)
		return err
	}
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

// Done is closed when Close or Terminate began to end the session, or the
// handshake failed.
func (a *Agent) Done() <-chan struct{} { return a.done }

// Stats returns the counts so far.
func (a *Agent) Stats() Stats { return a.stream.counters.stats() }
