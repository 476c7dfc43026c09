package channel

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Faults says what Faulty does to the frames that pass, in both directions.
// Chances are between 0 and 1 and are taken for each frame of stream data and
// each acknowledgement; what the service itself says (text frames,
// channel_closed, start and pause) is only delayed, never lost or overtaken.
type Faults struct {
	Seed      uint64        // the same seed makes the same choices
	Latency   time.Duration // one way, in each direction
	Drop      float64
	Duplicate float64
	Reorder   float64 // the frame is held until 1 to 8 later ones have passed
	CutAfter  int     // the transport fails after so many frames in all; 0: never
}

// ErrCut is what a Faulty transport fails with after Faults.CutAfter frames.
var ErrCut = errors.New("connection cut")

// Faulty wraps a transport in a bad network. A delay does not make the writer
// wait and keeps the order; frames that are under way when the transport is
// closed or cut are lost. With a latency the wrapper runs two goroutines, which
// end with Close.
func Faulty(t Transport, f Faults) Transport {
	bad := &faulty{
		inner: t,
		cut:   f.CutAfter,
		in:    faultLane{faults: f, rng: rand.New(rand.NewPCG(f.Seed, 1))},
		out:   faultLane{faults: f, rng: rand.New(rand.NewPCG(f.Seed, 2))},
	}
	if f.Latency > 0 {
		bad.inDelay, bad.outDelay = newDelayLine(f.Latency), newDelayLine(f.Latency)
		bad.workers.Add(2)
		go bad.readAhead()
		go bad.writeBehind()
	}
	return bad
}

type faulty struct {
	inner             Transport
	inDelay, outDelay *delayLine // nil: no latency
	workers           sync.WaitGroup

	in      faultLane // the reader's own
	arrived []Frame   // came through in, not yet returned; the reader's own

	writing sync.Mutex // protects out, and keeps its frames together
	out     faultLane

	mu  sync.Mutex // protects what follows
	cut int        // frames until the cut; 0: none is to come
	err error      // set: cut
}

// ReadFrame returns the next frame that survives.
func (b *faulty) ReadFrame() (Frame, error) {
	if b.inDelay != nil {
		return b.inDelay.get()
	}
	return b.receive()
}

// BeforeWait passes the wish on, if the reader is who reads from within.
func (b *faulty) BeforeWait(f func() error) bool {
	patient, ok := b.inner.(patientReader)
	return ok && b.inDelay == nil && patient.BeforeWait(f)
}

// receive reads from the inner transport until the lane lets something pass.
func (b *faulty) receive() (Frame, error) {
	for len(b.arrived) == 0 {
		frame, err := b.inner.ReadFrame()
		if err := b.count(); err != nil {
			return Frame{}, err
		}
		if err != nil {
			return Frame{}, err
		}
		b.arrived = b.in.pass(frame, b.arrived)
	}
	frame := b.arrived[0]
	b.arrived = b.arrived[1:]
	return frame, nil
}

// WriteFrame sends a frame, if it survives.
func (b *faulty) WriteFrame(frame Frame) error {
	if err := b.count(); err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	for _, frame := range b.out.pass(frame, nil) {
		if b.outDelay != nil {
			if err := b.outDelay.put(frame, nil); err != nil {
				return err
			}
		} else if err := b.inner.WriteFrame(frame); err != nil {
			return err
		}
	}
	return nil
}

// count counts a frame and makes the cut when its time has come.
func (b *faulty) count() error {
	b.mu.Lock()
	if b.cut > 0 {
		if b.cut--; b.cut == 0 {
			b.err = ErrCut
		}
	}
	err := b.err
	b.mu.Unlock()
	if err != nil {
		b.hangUp()
	}
	return err
}

func (b *faulty) hangUp() {
	b.inner.Close()
	if b.inDelay != nil {
		b.inDelay.close()
		b.outDelay.close()
	}
}

// Close closes the inner transport and waits for the goroutines.
func (b *faulty) Close() error {
	b.hangUp()
	b.workers.Wait()
	return nil
}

// readAhead takes frames from the inner transport to the delay line.
func (b *faulty) readAhead() {
	defer b.workers.Done()
	for {
		frame, err := b.receive()
		if b.inDelay.put(frame, err) != nil || err != nil {
			return
		}
	}
}

// writeBehind takes frames from the delay line to the inner transport.
func (b *faulty) writeBehind() {
	defer b.workers.Done()
	for {
		frame, err := b.outDelay.get()
		if err == nil {
			err = b.inner.WriteFrame(frame)
		}
		if err != nil {
			b.outDelay.close()
			return
		}
	}
}

// faultLane decides about the frames of one direction.
type faultLane struct {
	faults Faults
	rng    *rand.Rand
	held   []heldFrame
}

type heldFrame struct {
	frame Frame
	after int // so many frames pass first
}

// pass appends the frames that come out when one goes in.
func (l *faultLane) pass(frame Frame, out []Frame) []Frame {
	if !mayLose(frame) {
		for _, h := range l.held {
			out = append(out, h.frame)
		}
		l.held = nil
		return append(out, frame)
	}
	// Always the same number of draws: a choice does not depend on others.
	drop, double, hold, after := l.rng.Float64(), l.rng.Float64(), l.rng.Float64(), 1+l.rng.IntN(8)
	switch {
	case drop < l.faults.Drop:
	case hold < l.faults.Reorder:
		l.held = append(l.held, heldFrame{cloneFrame(frame), after + 1})
	default:
		out = append(out, frame)
		if double < l.faults.Duplicate {
			out = append(out, cloneFrame(frame))
		}
	}
	kept := l.held[:0]
	for _, h := range l.held {
		if h.after--; h.after > 0 {
			kept = append(kept, h)
			continue
		}
		out = append(out, h.frame)
	}
	l.held = kept
	return out
}

// mayLose reports whether the frame is a message from end to end.
func mayLose(frame Frame) bool {
	if frame.Text || len(frame.Data) < payloadOffset {
		return false
	}
	name := frame.Data[typeOffset:schemaOffset]
	return bytes.HasPrefix(name, []byte(TypeOutput)) ||
		bytes.HasPrefix(name, []byte(TypeInput)) ||
		bytes.HasPrefix(name, []byte(TypeAcknowledge))
}

func cloneFrame(frame Frame) Frame {
	return Frame{Text: frame.Text, Data: bytes.Clone(frame.Data)}
}
