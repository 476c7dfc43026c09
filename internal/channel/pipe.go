package channel

import (
	"io"
	"sync"
)

// pipeFrames is how many frames may be under way in one direction of a Pipe.
// It is more than both windows and their acknowledgements together, so that
// two ends that only write do not wait for each other.
const pipeFrames = 16 << 10

// Pipe returns the two ends of a connection in memory. It keeps frames in
// order and bounds how many are under way; a full pipe makes the writer wait.
// As with a socket, what was written before Close still arrives.
func Pipe() (client, service Transport) {
	up, down := newPipeLane(), newPipeLane()
	return &pipeEnd{in: down, out: up}, &pipeEnd{in: up, out: down}
}

type pipeEnd struct {
	in, out    *pipeLane
	beforeWait func() error // or nil
}

func (e *pipeEnd) ReadFrame() (Frame, error) {
	if e.beforeWait != nil && e.in.empty() {
		if err := e.beforeWait(); err != nil {
			return Frame{}, err
		}
	}
	return e.in.read()
}

// BeforeWait is as of sockets, where reads come together too.
func (e *pipeEnd) BeforeWait(f func() error) bool {
	e.beforeWait = f
	return true
}

func (e *pipeEnd) WriteFrame(frame Frame) error { return e.out.write(frame) }

func (e *pipeEnd) Close() error {
	e.out.close(false)
	e.in.close(true)
	return nil
}

// pipeLane is one direction of a Pipe.
type pipeLane struct {
	mu      sync.Mutex // protects what follows
	changed *sync.Cond
	queue   []Frame
	spare   [][]byte // buffers whose frames were read
	lent    []byte   // the buffer of the frame that was read last
	closed  bool     // nobody writes any more
	left    bool     // nobody reads any more
}

func newPipeLane() *pipeLane {
	l := &pipeLane{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *pipeLane) write(frame Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) >= pipeFrames && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return io.ErrClosedPipe
	}
	var buffer []byte
	if n := len(l.spare); n > 0 {
		buffer, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.queue = append(l.queue, Frame{Text: frame.Text, Data: append(buffer[:0], frame.Data...)})
	l.changed.Broadcast()
	return nil
}

// empty reports whether read would wait.
func (l *pipeLane) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 && !l.closed
}

func (l *pipeLane) read() (Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent != nil && len(l.spare) < 64 {
		l.spare = append(l.spare, l.lent)
	}
	l.lent = nil
	for len(l.queue) == 0 && !l.closed {
		l.changed.Wait()
	}
	switch {
	case l.left:
		return Frame{}, io.ErrClosedPipe
	case len(l.queue) == 0:
		return Frame{}, io.EOF
	}
	frame := l.queue[0]
	l.queue[0] = Frame{}
	l.queue = l.queue[1:]
	l.lent = frame.Data
	l.changed.Broadcast()
	return frame, nil
}

// close ends the lane; leave says that it is the reader who ends it.
func (l *pipeLane) close(leave bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.left = l.left || leave
	l.changed.Broadcast()
}
