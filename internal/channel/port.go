package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// LocalPortForwarding is the type, in a port session's properties, of one that
// carries the connections to a local port. Without a type the session is one
// plain stream: AWS-StartSSHSession.
const LocalPortForwarding = "LocalPortForwarding"

// PortProperties are the properties of a session of type Port, as its document
// has them after the parameters were filled in.
type PortProperties struct {
	Host                string `json:"host,omitempty"` // empty: the target itself
	PortNumber          string `json:"portNumber"`
	LocalPortNumber     string `json:"localPortNumber,omitempty"` // "0": any that is free
	LocalUnixSocket     string `json:"localUnixSocket,omitempty"`
	LocalConnectionType string `json:"localConnectionType,omitempty"` // "unix": LocalUnixSocket
	Type                string `json:"type,omitempty"`                // LocalPortForwarding or empty
}

// ParsePortProperties reads the properties of a session of type Port; null is
// none at all.
func ParsePortProperties(properties []byte) (PortProperties, error) {
	var p PortProperties
	if err := unmarshal(properties, &p); err != nil {
		return PortProperties{}, &ProtocolError{Doing: "read port properties", Err: err}
	}
	return p, nil
}

// NotPortError says that a session is of another type than Port.
type NotPortError struct {
	Type SessionType // "": the session has no handshake, which shells have not
}

func (e *NotPortError) Error() string {
	if e.Type == "" {
		return "not a port session, but a shell: its document has another session type than Port"
	}
	return fmt.Sprintf("not a port session: its document has the session type %q", e.Type)
}

// ErrNoTerminate is what PortStream.Terminate returns when the agent does not know
// the flag: only the service's TerminateSession ends the session.
var ErrNoTerminate = errors.New("the agent is too old to end a session when told by its client")

// PortStream is the client's end of a port session: a stream of bytes each way,
// exact, with back-pressure. Its methods may be called from any goroutine.
//
// The stream has no half-close. What Write accepted is sent again until the
// agent has acknowledged it, and an agent does so when the target's connection
// took it, so Write waits for a slow target. A stream that is not read holds
// back the session after 64 KiB, but not while a Write waits: the
// acknowledgements that it waits for come behind the bytes that nobody reads.
type PortStream struct {
	session    *Session
	in         *inlet
	refusals   atomic.Int64
	settled    chan struct{} // closed when the session's type is certain
	settleOnce sync.Once

	properties PortProperties // set before settled is closed
}

func newPortStream(s *Session) *PortStream {
	p := &PortStream{session: s, settled: make(chan struct{})}
	p.in = newInlet(func() bool { return s.stream.waiting.Load() > 0 })
	s.stream.starving = p.in.look
	return p
}

// settle notes that the session's type is certain.
func (s *Session) settle() {
	if s.port != nil {
		s.port.settleOnce.Do(func() { close(s.port.settled) })
	}
}

// takePort notes that the session is a port session, if somebody takes it.
func (s *Session) takePort(properties json.RawMessage) error {
	if s.port == nil {
		return nil
	}
	p, err := ParsePortProperties(properties)
	s.port.properties, s.taken = p, err == nil
	return err
}

// Port waits until the agent has said what the session is, and returns its
// stream if that is a port session; otherwise a *NotPortError, or Wait's error
// when the session ended before. Config.TakePort must be set. Every call
// returns the same stream. ctx bounds only the wait.
func (s *Session) Port(ctx context.Context) (*PortStream, error) {
	if s.port == nil {
		return nil, errors.New("take port: the session was not opened to take one")
	}
	select {
	case <-s.port.settled:
	case <-s.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-s.port.settled:
	default:
		return nil, s.result
	}
	if kind := SessionType(s.Type()); kind != Port {
		return nil, &NotPortError{kind}
	}
	return s.port, nil
}

// Properties returns what the document says of the port.
func (p *PortStream) Properties() PortProperties { return p.properties }

// Multiplexed reports whether the bytes are smux frames of many connections.
// It is what both ends make of each other's version.
func (p *PortStream) Multiplexed() bool {
	return p.properties.Type == LocalPortForwarding &&
		newer(p.session.AgentVersion(), agentMultiplexes) && ClientMultiplexes(p.session.cfg.ClientVersion)
}

// KeepAlive reports whether multiplexing needs keep-alives. Otherwise there
// are none, for they would keep the session from ever being idle.
func (p *PortStream) KeepAlive() bool { return !newer(p.session.AgentVersion(), agentNeedsNoNOP) }

// Read waits for bytes from the target. Behind the last it returns io.EOF when
// the service closed the session, and another error when the session broke.
func (p *PortStream) Read(b []byte) (int, error) { return p.in.take(b) }

// Write is the session's Write.
func (p *PortStream) Write(b []byte) (int, error) { return p.session.Write(b) }

// Drain waits until the agent has acknowledged all that was written, the
// session is over or ctx ended.
func (p *PortStream) Drain(ctx context.Context) error {
	stream := p.session.stream
	stop := context.AfterFunc(ctx, stream.wake)
	defer stop()
	stream.drained(func() bool { return ctx.Err() != nil })
	return ctx.Err()
}

// Disconnect tells the agent, behind what was written, to close its connection
// to the target's port. The next byte makes it dial again when the type is
// LocalPortForwarding; otherwise the session ends. For streams that are not
// multiplexed.
func (p *PortStream) Disconnect() error {
	if err := p.session.stream.send(PayloadFlag, AppendFlag(nil, FlagDisconnectToPort)); err != nil {
		return fmt.Errorf("disconnect port: %w", err)
	}
	return nil
}

// Terminate asks the agent to end the session; Done tells when it did. It does
// not wait for room behind what was written.
func (p *PortStream) Terminate() error {
	if !newer(p.session.AgentVersion(), agentTerminates) {
		return ErrNoTerminate
	}
	if err := p.session.stream.sendNow(PayloadFlag, AppendFlag(nil, FlagTerminateSession)); err != nil {
		return fmt.Errorf("terminate session: %w", err)
	}
	return nil
}

// TakeRefusal reports whether the agent could not connect to the target's port
// for one of the multiplexed connections (ConnectToPortError), and counts it as
// taken. The flag does not say for which; it comes before the end of that one.
func (p *PortStream) TakeRefusal() bool {
	for {
		n := p.refusals.Load()
		if n == 0 {
			return false
		}
		if p.refusals.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// Close closes the session as Session.Close does; a Read or Write that waits
// fails. What was not read is lost.
func (p *PortStream) Close() error {
	p.in.leave()
	return p.session.Close()
}

// deliver takes what the agent sends after the handshake.
func (p *PortStream) deliver(payloadType PayloadType, payload []byte) error {
	switch payloadType {
	case PayloadOutput:
		if p.in.full() {
			if err := p.session.stream.settleEarlier(); err != nil {
				return err
			}
		}
		if p.session.stream.kept { // it does not come again
			return p.in.put(payload, inletMost+maxEarlyBytes)
		}
		return p.in.put(payload, inletMost)
	case PayloadFlag:
		return p.flag(payload)
	}
	return &ProtocolError{Doing: "read message", Err: fmt.Errorf("payload type is %d in a port session", payloadType)}
}

// flag takes a flag from the agent. Those that only clients send mean nothing.
func (p *PortStream) flag(payload []byte) error {
	flag, err := ParseFlag(payload)
	if err == nil && flag == FlagConnectToPortError {
		p.refusals.Add(1)
	}
	return err
}

// finish ends the stream behind what came.
func (p *PortStream) finish(result error) {
	var missing *ExitMissingError
	if errors.As(result, &missing) && missing.Cause == nil && !missing.Gap {
		result = io.EOF // no port session has an exit code
	}
	if result == nil {
		result = io.EOF
	}
	p.in.end(result)
}
