package event

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// Sink keeps records. Append returns when they are durable, all of them, or
// with an error after which it is not called again.
type Sink interface {
	Append(records []Record) error
}

// ErrClosed is what Commit returns after Close.
var ErrClosed = errors.New("event log is closed")

const (
	// maxPending is how many records wait for the sink before Emit and Commit
	// wait for it too.
	maxPending = 4096
	// linger is how long facts that nobody waits for are gathered before the
	// sink is called for them alone.
	linger = 20 * time.Millisecond
)

// Log numbers the facts of one run, keeps them in its sink and hands them to
// its watchers. Its methods may be called concurrently, but for Close, which
// comes last.
type Log struct {
	runID string
	sink  Sink
	red   *Redactor

	wake   chan struct{} // something is pending
	hurry  chan struct{} // somebody waits for it
	done   chan struct{} // the writing goroutine has ended
	linger time.Duration

	mu sync.Mutex
	// mu protects:
	seq       uint64
	pending   []Record
	outputs   map[outputKey]int // places in pending of step_output
	waiting   []chan error
	watchers  []*Watcher
	unwritten []Record
	err       error
	closed    bool
	room      sync.Cond // pending was taken
}

// NewLog returns a log without facts. A nil sink keeps nothing and a nil
// redactor masks nothing. Close must be called.
func NewLog(runID string, sink Sink, red *Redactor) *Log {
	l := &Log{
		runID:   runID,
		sink:    sink,
		red:     red,
		wake:    make(chan struct{}, 1),
		hurry:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		linger:  linger,
		outputs: map[outputKey]int{},
	}
	l.room.L = &l.mu
	go l.write() // ends after Close
	return l
}

// Commit returns when the facts, and all before them, are durable. An error
// means that they may not be: what they announce must not be done. It is the
// sink's, or ErrClosed; after the first every Commit fails with the same.
func (l *Log) Commit(facts ...Fact) error {
	answer := make(chan error, 1)
	if err := l.add(facts, answer); err != nil {
		return err
	}
	return <-answer
}

// Emit adds facts in order with those committed and does not wait until they
// are durable, only for room when the sink is thousands of records behind.
// Facts that come after Close are discarded.
func (l *Log) Emit(facts ...Fact) {
	_ = l.add(facts, nil) // Err has it
}

// Err returns the error of the sink, nil while it works.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Last returns the number of the last fact that was added, 0 before the first.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Unwritten returns the records that the sink did not take, so that they can
// be saved elsewhere. It is empty unless Err is not nil. step_output is not
// among them.
func (l *Log) Unwritten() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unwritten
}

// Close writes what is pending, ends the watchers' sequences and returns the
// sink's error, if there was one. It does not close the sink.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	signal(l.wake)
	signal(l.hurry)
	<-l.done
	return l.Err()
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// add masks facts, numbers them and puts them in line; answer, when not nil,
// gets the fate of the line up to here.
func (l *Log) add(facts []Fact, answer chan error) error {
	masked := make([]Fact, len(facts))
	for i, f := range facts {
		masked[i] = l.mask(f)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) >= maxPending && !l.closed {
		signal(l.hurry)
		l.room.Wait()
	}
	if l.closed {
		return ErrClosed
	}
	l.enqueue(masked)
	signal(l.wake)
	if l.err != nil {
		return l.err // watchers hear of the facts all the same
	}
	if answer != nil {
		l.waiting = append(l.waiting, answer)
		signal(l.hurry)
	}
	return nil
}

// enqueue is called with mu held.
func (l *Log) enqueue(facts []Fact) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, f := range facts {
		key, isOutput := outputOf(f)
		if i, ok := l.outputs[key]; isOutput && ok && extend(&l.pending[i], f) {
			continue
		}
		l.seq++
		if isOutput {
			l.outputs[key] = len(l.pending)
		}
		l.pending = append(l.pending, Record{Seq: l.seq, Time: now, RunID: l.runID, Fact: f})
	}
}

// mask also turns a pointer to a fact into the fact.
func (l *Log) mask(f Fact) Fact {
	if v := reflect.ValueOf(f); v.Kind() == reflect.Pointer && !v.IsNil() {
		if plain, ok := v.Elem().Interface().(Fact); ok {
			f = plain
		}
	}
	if l.red == nil || !l.red.Knows() {
		return f
	}
	return l.red.fact(f)
}

// write is the one goroutine that calls the sink and feeds the watchers.
func (l *Log) write() {
	defer close(l.done)
	for {
		<-l.wake
		l.gather()
		batch, waiting, watchers, closed := l.take()
		err := l.append(batch)
		for _, answer := range waiting {
			answer <- err
		}
		for _, w := range watchers {
			w.push(batch)
		}
		if closed {
			for _, w := range watchers {
				w.end()
			}
			return
		}
	}
}

// gather waits a little for more when nobody waits for what there is.
func (l *Log) gather() {
	timer := time.NewTimer(l.linger)
	defer timer.Stop()
	select {
	case <-l.hurry:
	case <-timer.C:
	}
}

func (l *Log) take() (batch []Record, waiting []chan error, watchers []*Watcher, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch, l.pending = l.pending, nil
	waiting, l.waiting = l.waiting, nil
	clear(l.outputs)
	l.room.Broadcast()
	return batch, waiting, append([]*Watcher(nil), l.watchers...), l.closed
}

// append gives a batch to the sink, unless the sink has failed.
func (l *Log) append(batch []Record) error {
	if l.sink == nil || len(batch) == 0 {
		return l.Err()
	}
	err := l.Err()
	if err == nil {
		if err = l.sink.Append(batch); err == nil {
			return nil
		}
		err = fmt.Errorf("keep events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, rec := range batch {
		if _, isOutput := outputOf(rec.Fact); !isOutput {
			l.unwritten = append(l.unwritten, rec)
		}
	}
	return err
}

// outputKey says which step_output facts may be merged.
type outputKey struct {
	address, stream string
	attempt         int
}

func outputOf(f Fact) (outputKey, bool) {
	o, ok := f.(StepOutput)
	if !ok {
		return outputKey{}, false
	}
	return outputKey{o.Address, o.Stream, o.Attempt}, true
}

// extend adds a step_output to a record of the same stream if it goes on where
// that ends.
func extend(rec *Record, f Fact) bool {
	have, ok := rec.Fact.(StepOutput)
	more, ok2 := f.(StepOutput)
	if !ok || !ok2 || have.Offset+have.Length != more.Offset {
		return false
	}
	have.Length += more.Length
	rec.Fact = have
	return true
}
