package channel

import (
	"io"
	"sync"
)

const (
	// inletLimit is how many bytes may wait in an inlet before put waits.
	inletLimit = 64 << 10
	// inletMost is how many may when put must not wait, but for messages that
	// came early: nobody sends those again, so they move from one buffer to the
	// other.
	inletMost = 16 << 20
)

// inlet is a bounded queue of bytes between the goroutine that receives a
// session and whoever reads them.
//
// The goroutine also takes in the acknowledgements, so while it waits for a
// reader nobody who writes gets on. Where the reader is such a writer himself,
// a program that echoes say, both would wait for ever. Therefore it does not
// wait while a writer does (urgent), but lets the queue grow.
type inlet struct {
	urgent func() bool // a writer waits; must not take a lock

	mu      sync.Mutex // protects what follows
	changed *sync.Cond
	queue   []byte // bytes [read:] wait
	read    int
	ended   error // set: nothing is put any more; readers get it behind the rest
	left    bool  // nobody reads any more
}

func newInlet(urgent func() bool) *inlet {
	in := &inlet{urgent: urgent}
	in.changed = sync.NewCond(&in.mu)
	return in
}

// put appends a copy of p. It waits while the queue is full, fails when the
// reader has left, and with ErrNotReady when most bytes are there and it must not
// wait.
func (in *inlet) put(p []byte, most int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue)-in.read >= inletLimit && in.ended == nil && !in.left && !in.urgent() {
		in.changed.Wait()
	}
	switch {
	case in.left || in.ended != nil:
		return io.ErrClosedPipe
	case len(in.queue)-in.read >= most:
		return ErrNotReady
	}
	if in.read > len(in.queue)/2 {
		in.queue = in.queue[:copy(in.queue, in.queue[in.read:])]
		in.read = 0
	}
	in.queue = append(in.queue, p...)
	in.changed.Broadcast()
	return nil
}

// full reports whether put may wait. Who puts bytes is told nothing that can
// become untrue before he does: others only make room.
func (in *inlet) full() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue)-in.read >= inletLimit
}

// take waits for bytes and moves them to p.
func (in *inlet) take(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) == in.read && in.ended == nil && !in.left {
		in.changed.Wait()
	}
	switch {
	case in.left:
		return 0, io.ErrClosedPipe
	case len(in.queue) == in.read:
		return 0, in.ended
	}
	n := copy(p, in.queue[in.read:])
	in.read += n
	if in.read == len(in.queue) {
		in.queue, in.read = in.queue[:0], 0
		if cap(in.queue) > 4*inletLimit {
			in.queue = nil // it grew, and that is over
		}
	}
	in.changed.Broadcast()
	return n, nil
}

// look makes put look again whether it must not wait.
func (in *inlet) look() {
	in.mu.Lock()
	in.changed.Broadcast()
	in.mu.Unlock()
}

// end says that nothing more comes, and why; only the first reason counts.
func (in *inlet) end(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended == nil {
		in.ended = err
	}
	in.changed.Broadcast()
}

// leave says that nobody reads any more.
func (in *inlet) leave() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.left, in.queue = true, nil
	in.read = 0
	in.changed.Broadcast()
}
