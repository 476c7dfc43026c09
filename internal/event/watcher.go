package event

import (
	"iter"
	"sync"
	"time"
)

const (
	// watchRoom is how many records a watcher may be behind before the log
	// waits for it.
	watchRoom = 4096
	// watchPatience is how long the log then waits, once: a watcher that takes
	// nothing in that time is not waited for again until it moves.
	watchPatience = 250 * time.Millisecond
)

// Watcher is a view's place at a log. It gets every record but step_output
// merged with its neighbours, so it may be slower than the run: when it is
// thousands of records behind, the log slows down for it a little, and when it
// stands still (a terminal that is stopped) the log goes on without it. The
// records then wait in memory, which the number of facts in a run bounds.
type Watcher struct {
	log *Log

	moved chan struct{} // something was taken

	mu sync.Mutex
	// mu protects:
	queue   []Record
	outputs map[outputKey]uint64 // sequence number of the last one in queue
	stalled bool
	ended   bool
	ready   sync.Cond // queue or ended changed
}

// Watch returns a watcher that sees all facts added from now on.
func (l *Log) Watch() *Watcher {
	w := &Watcher{log: l, moved: make(chan struct{}, 1), outputs: map[outputKey]uint64{}}
	w.ready.L = &w.mu
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		w.ended = true
		return w
	}
	l.watchers = append(l.watchers, w)
	return w
}

// Records yields records in order until the log is closed and all are taken.
// It may be ranged over once; leaving the loop is Stop.
func (w *Watcher) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for {
			rec, ok := w.pop()
			if !ok {
				return
			}
			if !yield(rec) {
				w.Stop()
				return
			}
		}
	}
}

// Stop takes the watcher off the log: nothing more is kept for it.
func (w *Watcher) Stop() {
	w.log.mu.Lock()
	for i, other := range w.log.watchers {
		if other == w {
			w.log.watchers = append(w.log.watchers[:i:i], w.log.watchers[i+1:]...)
			break
		}
	}
	w.log.mu.Unlock()
	w.end()
	w.mu.Lock()
	w.queue = nil
	w.mu.Unlock()
	signal(w.moved)
}

func (w *Watcher) pop() (Record, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 {
		if w.ended {
			return Record{}, false
		}
		w.ready.Wait()
	}
	rec := w.queue[0]
	w.queue[0] = Record{}
	w.queue = w.queue[1:]
	if len(w.queue) < watchRoom/2 {
		w.stalled = false
		signal(w.moved)
	}
	return rec, true
}

// push adds a batch, then waits for room as the type's comment says. Only the
// log's goroutine calls it.
func (w *Watcher) push(batch []Record) {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return
	}
	for _, rec := range batch {
		w.put(rec)
	}
	w.ready.Signal()
	full := len(w.queue) >= watchRoom && !w.stalled
	if full {
		select { // what moved before is of no interest
		case <-w.moved:
		default:
		}
	}
	w.mu.Unlock()
	if !full {
		return
	}
	timer := time.NewTimer(watchPatience)
	defer timer.Stop()
	select {
	case <-w.moved:
	case <-timer.C:
		w.mu.Lock()
		w.stalled = len(w.queue) >= watchRoom/2 && !w.ended
		w.mu.Unlock()
	}
}

// put is called with mu held. A step_output that goes on where the last one of
// its stream ended, and that nobody took yet, only makes that one longer.
func (w *Watcher) put(rec Record) {
	key, isOutput := outputOf(rec.Fact)
	if isOutput {
		if i, ok := w.find(w.outputs[key]); ok && extend(&w.queue[i], rec.Fact) {
			return
		}
		w.outputs[key] = rec.Seq
	} else if done, ok := rec.Fact.(StepComplete); ok {
		for _, stream := range []string{"stdout", "stderr"} {
			delete(w.outputs, outputKey{done.Address, stream, done.Attempt})
		}
	}
	w.queue = append(w.queue, rec)
}

// find returns the place of a sequence number in the queue.
func (w *Watcher) find(seq uint64) (int, bool) {
	if seq == 0 || len(w.queue) == 0 || seq < w.queue[0].Seq {
		return 0, false
	}
	lo, hi := 0, len(w.queue)
	for lo < hi {
		if mid := (lo + hi) / 2; w.queue[mid].Seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(w.queue) && w.queue[lo].Seq == seq
}

func (w *Watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.ready.Broadcast()
}
