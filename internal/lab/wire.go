package lab

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// wire is the transport between a session's agent and a client where there are
// faults. What the agent writes waits in a line for its time; what the client
// sends is read at once, so that a client that hangs up is noticed, and waits in
// another.
//
// A wire whose session is silent stays after the agent has left it, until the
// client ends it or the lab does.
type wire struct {
	inner   channel.Transport
	conn    *quietConn // under inner
	session *session
	ctx     context.Context // ends when the client has hung up
	gone    context.CancelFunc
	in, out *line
	workers sync.WaitGroup
	cutter  *time.Timer // cuts by the clock; or nil

	inLane, outLane lane

	writing sync.Mutex  // held by WriteFrame: keeps what belongs together
	left    atomic.Bool // the agent closed it
	parting atomic.Bool // channel_closed is under way, and late
}

// lingering is how long a client may take to hang up after a late channel_closed.
const lingering = 2 * time.Second

// newWire puts the session's faults around a connection. It runs two goroutines,
// which end with finish.
func newWire(s *session, t channel.Transport, conn *quietConn) *wire {
	f := s.node.faults
	s.mu.Lock()
	opens := s.opens
	s.mu.Unlock()
	inner := t
	if f.Duplicate > 0 || f.Reorder > 0 {
		inner = channel.Faulty(t, channel.Faults{Seed: s.seed(opens, 0), Duplicate: f.Duplicate, Reorder: f.Reorder})
	}
	w := &wire{inner: inner, conn: conn, session: s, in: newLine(), out: newLine()}
	w.ctx, w.gone = context.WithCancel(context.Background())
	w.inLane = s.lane(opens, 1)
	w.outLane = s.lane(opens, 3)
	w.cutter = s.faults.cutByClock(w)
	w.workers.Go(w.readAhead)
	w.workers.Go(w.writeBehind)
	return w
}

// ReadFrame returns what the client sent, to the agent.
func (w *wire) ReadFrame() (channel.Frame, error) { return w.in.get() }

// WriteFrame takes what the agent, or the service, says.
func (w *wire) WriteFrame(frame channel.Frame) error {
	if w.left.Load() {
		return io.ErrClosedPipe
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	s := w.session
	slow := s.faults.slowness(frame)
	if slow < 0 {
		s.mute()
	}
	kind := frameType(frame)
	if kind == channel.TypeChannelClosed && (slow != 0 || s.silent()) {
		w.parting.Store(true)
		defer w.in.close() // the agent is done here
	}
	if s.silent() || kind == channel.TypeStartPublication && s.node.faults.LostStart {
		return nil
	}
	if err := w.out.put(frame, nil, w.outLane.latency()+slow); err != nil {
		return err
	}
	if d, ok := s.faults.pauses(frame); ok {
		return w.pause(d)
	}
	return nil
}

// pause tells the client that nothing is published for a while.
func (w *wire) pause(d time.Duration) error {
	if err := w.out.put(announcement(channel.TypePausePublication), nil, 0); err != nil {
		return err
	}
	start := announcement(channel.TypeStartPublication)
	if w.session.node.faults.LostStart {
		start = channel.Frame{}
	}
	return w.out.put(start, nil, d)
}

// readAhead takes the client's frames until the connection ends.
func (w *wire) readAhead() {
	defer w.gone()
	for {
		frame, err := w.inner.ReadFrame()
		if err != nil {
			w.in.put(channel.Frame{}, err, 0)
			if w.left.Load() {
				w.drop()
			}
			return
		}
		w.passed(frame)
		if w.session.silent() || w.inLane.loses(frame) {
			continue
		}
		w.in.put(frame, nil, w.inLane.latency()) // fails when the agent has left
	}
}

// writeBehind takes frames from the line to the client.
func (w *wire) writeBehind() {
	for {
		frame, err := w.out.get()
		if err != nil {
			return
		}
		// What was said before a phase that is never answered still goes out.
		if w.session.hung.Load() || w.outLane.loses(frame) {
			continue
		}
		if frameType(frame) == channel.TypeOutput {
			if kind := w.session.faults.spoils(frame); kind != "" {
				frame = spoil(frame, kind)
			}
		}
		if err := w.inner.WriteFrame(frame); err != nil {
			w.drop()
			return
		}
		if w.parting.Load() && frameType(frame) == channel.TypeChannelClosed {
			time.AfterFunc(lingering, w.drop)
		}
		w.passed(frame)
	}
}

// passed counts a frame, and lets happen what is due with it.
func (w *wire) passed(frame channel.Frame) {
	if w.session.silent() {
		return
	}
	size := len(frame.Data)
	cut, hush := w.session.faults.breaks(size)
	if hush {
		w.hush()
	}
	if cut {
		w.drop()
	}
	w.session.node.passed(size)
}

// drop ends the connection at once.
func (w *wire) drop() {
	w.inner.Close()
	w.in.close()
	w.out.close()
}

// hush makes the connection say nothing any more, and hear nothing.
func (w *wire) hush() { w.conn.quiet.Store(true) }

// Close is the agent's goodbye. The connection ends with it, unless it is silent
// or has yet to bring channel_closed.
func (w *wire) Close() error {
	w.left.Store(true)
	w.in.close()
	if !w.lingers() {
		w.drop()
	}
	return nil
}

func (w *wire) lingers() bool {
	return w.session.silent() || w.parting.Load()
}

// finish waits for the end of the connection, which ctx hastens, and for the
// goroutines.
func (w *wire) finish(ctx context.Context) {
	w.Close()
	if w.cutter != nil {
		w.cutter.Stop()
	}
	if w.lingers() {
		linger(hclspec.Never, w.ctx, ctx)
	}
	w.drop()
	w.workers.Wait()
}
