package lab

import (
	"io"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// lineLimit bounds the frames that are under way in a line. Beyond it the writer
// waits.
const lineLimit = 64 << 10

// line is a queue whose frames come out some time after they went in, and never
// overtake each other.
type line struct {
	closed chan struct{}

	mu      sync.Mutex // protects what follows
	changed *sync.Cond
	queue   []queued
	last    time.Time // when the newest one is due
	ended   bool      // closed is closed
}

type queued struct {
	frame channel.Frame // without data: only time passes
	err   error
	due   time.Time
}

func newLine() *line {
	l := &line{closed: make(chan struct{})}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// put adds a copy of the frame, or an error that get shall return, due after the
// delay and behind what is there.
func (l *line) put(frame channel.Frame, err error, delay time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) >= lineLimit && !l.ended {
		l.changed.Wait()
	}
	if l.ended {
		return io.ErrClosedPipe
	}
	if due := time.Now().Add(delay); due.After(l.last) {
		l.last = due
	}
	frame.Data = append([]byte(nil), frame.Data...)
	l.queue = append(l.queue, queued{frame, err, l.last})
	l.changed.Broadcast()
	return nil
}

// get waits for the next frame and for its time.
func (l *line) get() (channel.Frame, error) {
	for {
		head, ok := l.head()
		if !ok {
			return channel.Frame{}, io.ErrClosedPipe
		}
		if wait := time.Until(head.due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-l.closed:
				timer.Stop()
				return channel.Frame{}, io.ErrClosedPipe
			}
		}
		if head.err != nil || len(head.frame.Data) > 0 {
			return head.frame, head.err
		}
	}
}

func (l *line) head() (queued, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ended {
		l.changed.Wait()
	}
	if l.ended {
		return queued{}, false
	}
	head := l.queue[0]
	l.queue[0] = queued{}
	l.queue = l.queue[1:]
	l.changed.Broadcast()
	return head, true
}

// close ends the line at once: what is under way is lost.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.closed)
		l.changed.Broadcast()
	}
}
