package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

const (
	// inputPayload is the most input in one message, as both peers have it.
	inputPayload = 1024
	// clientWindow is how many messages of input may be unacknowledged.
	clientWindow = 256
	// clientBurst is how many of the oldest unacknowledged messages may be
	// sent again at a time. Peers look at one only; more does no harm, because
	// acknowledgements are for single messages and duplicates are dropped.
	clientBurst = 16
)

// Session is the client's end of a data channel. Its methods may be called
// from any goroutine.
type Session struct {
	cfg      Config
	clientID string
	stream   *stream
	watch    *watchdog
	port     *PortStream // nil without Config.TakePort

	// the receiving goroutine's own:
	opener *opener // nil: nothing is encrypted
	taken  bool    // a port session, read from port
	fresh  bool    // a message came since the last wait
	output output

	ctx    context.Context // ends when the session is to stop
	cancel context.CancelFunc
	ready  chan struct{} // closed when input flows
	once   sync.Once     // closes ready
	done   chan struct{} // closed when nothing runs any more

	mu        sync.Mutex // protects what follows
	phase     phase
	transport Transport // nil: reconnecting
	outage    error     // why, or why the last time
	agent     HandshakeRequest
	kind      SessionTypeParameters
	message   string         // of HandshakeComplete
	refused   error          // an action of the handshake that we refused
	proven    bool           // the encryption challenge was answered
	exit      *int           // the exit code, once it came
	closed    *ChannelClosed // the service's word for the end
	failure   error          // why the session stops, if not by channel_closed
	result    error          // set when done is closed
}

// Connect dials, opens the data channel and starts to receive. ctx bounds only
// Connect itself: cancelling it later does nothing to the session.
func Connect(ctx context.Context, cfg Config) (*Session, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &Session{
		cfg:      cfg,
		clientID: newUUID().String(),
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
	}
	s.stream = newStream(clientRole, clientWindow, clientBurst, s.deliver)
	s.stream.accept = s.accept
	s.stream.hold()
	if cfg.TakePort {
		s.port = newPortStream(s)
	}
	t, err := s.open(ctx, cfg.Token)
	if err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.transport = t // before anybody else knows of s
	s.watch = newWatchdog(s.expired)
	s.watch.set(waitStart, cfg.StartTimeout)
	s.watch.set(waitQuiet, quietUnannounced*s.silence())
	s.watch.set(waitIdle, cfg.IdleTimeout)
	if cfg.HandshakeDue {
		s.watch.set(waitAgent, cfg.StartTimeout)
	}
	s.stream.attach(t)
	go s.run(t) // ends with channel_closed, a failure or Close
	return s, nil
}

// open dials and sends OpenDataChannel. There is no answer to it: a token that
// is refused shows only as a connection that ends.
func (s *Session) open(ctx context.Context, token string) (Transport, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.OpenTimeout)
	defer cancel()
	t, err := s.cfg.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("dial data channel: %w", late(ctx, err, LayerConnect, s.subject(), began))
	}
	text, err := json.Marshal(OpenDataChannel{
		MessageSchemaVersion: "1.0",
		RequestID:            newUUID().String(),
		TokenValue:           token,
		ClientID:             s.clientID,
		ClientVersion:        s.cfg.ClientVersion,
	})
	if err == nil {
		stop := context.AfterFunc(ctx, func() { t.Close() }) // a write that waits fails
		err = t.WriteFrame(Frame{Text: true, Data: text})
		if !stop() && err == nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("open data channel: %w", late(ctx, err, LayerOpen, s.subject(), began))
	}
	return t, nil
}

// subject names the session in errors.
func (s *Session) subject() string { return "session " + s.cfg.SessionID }

// ID returns the session's id.
func (s *Session) ID() string { return s.cfg.SessionID }

// Ready waits until the session takes input: the handshake is complete, or
// output came without one, or the agent stayed quiet (see Config.Quiet). When
// the session ended before, it returns Wait's error, or ErrClosed if that is
// nil. ctx bounds only the wait.
func (s *Session) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	select {
	case <-s.ready:
		return nil
	case <-s.done:
		if s.result == nil {
			return ErrClosed
		}
		return s.result
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Type returns the session type that the agent announced in the handshake, ""
// when there was none (yet).
func (s *Session) Type() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.kind.SessionType)
}

// Properties returns the session type's properties as the handshake had them,
// nil when there were none (yet).
func (s *Session) Properties() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind.Properties
}

// AgentVersion returns the agent's version as told in the handshake, "" when
// there was none (yet).
func (s *Session) AgentVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agent.AgentVersion
}

// Encrypted reports whether the handshake agreed on encryption and its challenge
// was met: input is encrypted, and no output that is not was delivered.
func (s *Session) Encrypted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proven
}

// CustomerMessage returns what the agent asked to show when the handshake
// completed, often "". It is text from the target: quote it.
func (s *Session) CustomerMessage() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.message
}

// Write sends input, cut into messages. It may be called before the session is
// ready: the bytes are kept and go out, in order, when it is. It returns when
// all bytes were queued, which waits while too much is unacknowledged; what was
// queued is sent again until the agent has it or the session ends. Bytes go as
// they are: a line feed is not made a carriage return.
func (s *Session) Write(p []byte) (int, error) {
	written, err := s.stream.sendAll(PayloadOutput, p, inputPayload)
	if err != nil {
		err = fmt.Errorf("write input: %w", err)
	}
	return written, err
}

// Resize tells the agent the size of the terminal, behind the input that was
// written before.
func (s *Session) Resize(cols, rows int) error {
	payload, err := json.Marshal(Size{Cols: uint32(max(cols, 0)), Rows: uint32(max(rows, 0))})
	if err == nil {
		err = s.stream.send(PayloadSize, payload)
	}
	if err != nil {
		return fmt.Errorf("resize: %w", err)
	}
	return nil
}

// Interrupt sends the byte 0x03, Ctrl-C: a pty turns it into SIGINT, and so
// does the agent in a session without one.
func (s *Session) Interrupt() error {
	_, err := s.Write([]byte{0x03})
	return err
}

// ExitCode returns the exit code that has come while the session goes on: the
// remote command has ended, and what it wrote before was delivered. Once the
// session has ended Wait alone knows whether the code still stands.
func (s *Session) ExitCode() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit == nil {
		return 0, false
	}
	return *s.exit, true
}

// Wait waits for the end of the session. It returns nil when the exit code 0
// arrived, an *ExitError for another one, and an *ExitMissingError when the
// session ended without any. By then all output was written. When ctx ends
// first it returns the context's error and the session goes on.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.result
	default:
	}
	select {
	case <-s.done:
		return s.result
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the session has ended, all output was written and
// nothing of the session runs any more.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close drops the connection and waits for Done, so a writer that blocks must
// be released first, and a writer must not call it. It does not end the
// session at the service: that is TerminateSession. It returns nil.
func (s *Session) Close() error {
	s.fail(ErrClosed)
	<-s.done
	return nil
}

// Stats returns the counts so far.
func (s *Session) Stats() Stats { return s.stream.counters.stats() }
