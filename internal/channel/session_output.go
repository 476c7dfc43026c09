package channel

import (
	"fmt"
	"io"
	"sync"
)

// outputMost is how much output is gathered before it is written: that of the
// messages which are settled together.
const outputMost = settleMost * inputPayload

var outputBuffers = sync.Pool{New: func() any { return new([outputMost]byte) }}

// output is what was delivered and is not yet written. Messages are small, and a
// write for each would cost more than all that was done to get it.
type output struct {
	kind   PayloadType // what all of it is
	bytes  []byte      // a part of buffer
	buffer *[outputMost]byte
}

// gather keeps output until it is accepted, or something else comes. What was kept
// is settled then: the next write may wait for its reader.
func (s *Session) gather(kind PayloadType, payload []byte) error {
	o := &s.output
	if o.kind != kind || len(o.bytes)+len(payload) > outputMost {
		if err := s.stream.settleEarlier(); err != nil {
			return err
		}
		o.kind = kind
	}
	if o.buffer == nil {
		o.buffer = outputBuffers.Get().(*[outputMost]byte)
		o.bytes = o.buffer[:0]
	}
	o.bytes = append(o.bytes, payload...)
	return nil
}

// write writes what was gathered.
func (s *Session) write() error {
	o := &s.output
	if o.buffer == nil {
		return nil
	}
	w := s.cfg.Stdout
	if o.kind == PayloadStdErr {
		w = s.cfg.Stderr
	}
	p, buffer := o.bytes, o.buffer
	o.bytes, o.buffer = nil, nil
	if err := put(w, p); err != nil {
		return err
	}
	outputBuffers.Put(buffer)
	return nil
}

func put(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// accept writes what was delivered since the last time.
func (s *Session) accept() error {
	if s.fresh {
		s.fresh = false
		s.watch.touch()
	}
	return s.write()
}
