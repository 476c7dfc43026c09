package channel

import (
	"io"
	"sync"
	"time"
)

// delayLimit bounds the frames that are under way in a delayLine. Beyond it
// the writer waits.
const delayLimit = 64 << 10

// delayLine is a queue whose frames come out a fixed time after they went in.
type delayLine struct {
	latency time.Duration
	closed  chan struct{}

	mu      sync.Mutex // protects what follows
	changed *sync.Cond
	queue   []delayed
	ended   bool // closed is closed
}

type delayed struct {
	frame Frame
	err   error
	due   time.Time
}

func newDelayLine(latency time.Duration) *delayLine {
	l := &delayLine{latency: latency, closed: make(chan struct{})}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// put adds a copy of the frame, or an error that get shall return.
func (l *delayLine) put(frame Frame, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) >= delayLimit && !l.ended {
		l.changed.Wait()
	}
	if l.ended {
		return io.ErrClosedPipe
	}
	l.queue = append(l.queue, delayed{cloneFrame(frame), err, time.Now().Add(l.latency)})
	l.changed.Broadcast()
	return nil
}

// get waits for the next frame and for its time.
func (l *delayLine) get() (Frame, error) {
	l.mu.Lock()
	for len(l.queue) == 0 && !l.ended {
		l.changed.Wait()
	}
	if l.ended {
		l.mu.Unlock()
		return Frame{}, io.ErrClosedPipe
	}
	head := l.queue[0]
	l.queue[0] = delayed{}
	l.queue = l.queue[1:]
	l.changed.Broadcast()
	l.mu.Unlock()
	if wait := time.Until(head.due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.closed:
			return Frame{}, io.ErrClosedPipe
		}
	}
	return head.frame, head.err
}

// close ends the line at once: what is under way is lost.
func (l *delayLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.closed)
		l.changed.Broadcast()
	}
}
