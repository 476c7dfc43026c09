package event

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// memorySink keeps batches, slowly when told so.
type memorySink struct {
	mu      sync.Mutex
	batches [][]Record
	delay   time.Duration
	err     error
}

func (s *memorySink) Append(records []Record) error {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches = append(s.batches, slices.Clone(records))
	return nil
}

func (s *memorySink) all() []Record { return slices.Concat(s.batches...) }

func numbered(n int) Fact { return LogFact{Text: fmt.Sprint(n)} }

func TestRecordsAreNumberedInOrder(t *testing.T) {
	sink := &memorySink{}
	log := NewLog("run-1", sink, nil)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 50 {
				if i%3 == 0 {
					log.Emit(numbered(w*1000 + i))
				} else if err := log.Commit(numbered(w*1000 + i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	recs := sink.all()
	if len(recs) != 400 {
		t.Fatalf("%d records, want 400", len(recs))
	}
	last := map[int]int{}
	for i, rec := range recs {
		if rec.Seq != uint64(i+1) || rec.RunID != "run-1" {
			t.Fatalf("record %d has number %d, run %s", i, rec.Seq, rec.RunID)
		}
		if i > 0 && rec.Time.Before(recs[i-1].Time) {
			t.Fatalf("record %d is older than the one before it", i)
		}
		var n int
		fmt.Sscan(rec.Fact.(LogFact).Text, &n)
		if before, ok := last[n/1000]; ok && n <= before {
			t.Fatalf("%d came after %d", n, before)
		}
		last[n/1000] = n
	}
}

func TestCommitsThatWaitShareOneAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{delay: 10 * time.Millisecond}
		log := NewLog("r", sink, nil)
		var writers sync.WaitGroup
		for i := range 100 {
			writers.Go(func() {
				if err := log.Commit(numbered(i)); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		log.Close()
		if n := len(sink.batches); n > 3 {
			t.Errorf("%d calls of Append for 100 commits at once", n)
		}
	})
}

func TestCommitReturnsAfterTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{delay: time.Second}
		log := NewLog("r", sink, nil)
		defer log.Close()
		began := time.Now()
		log.Emit(numbered(1))
		if d := time.Since(began); d != 0 {
			t.Errorf("Emit took %v", d)
		}
		if err := log.Commit(numbered(2)); err != nil {
			t.Fatal(err)
		}
		if len(sink.all()) != 2 {
			t.Errorf("%d records are kept", len(sink.all()))
		}
	})
}

func TestEmittedFactsAreKeptWithoutACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{}
		log := NewLog("r", sink, nil)
		defer log.Close()
		for i := range 10 {
			log.Emit(numbered(i))
		}
		time.Sleep(linger + time.Millisecond)
		synctest.Wait()
		if len(sink.batches) != 1 || len(sink.all()) != 10 {
			t.Errorf("%d records in %d batches, want 10 in one", len(sink.all()), len(sink.batches))
		}
	})
}

func TestEmitWaitsForASinkThatIsFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{delay: time.Minute}
		log := NewLog("r", sink, nil)
		began := time.Now()
		for i := range 3 * maxPending {
			log.Emit(numbered(i))
		}
		if d := time.Since(began); d < time.Minute {
			t.Errorf("thousands of facts were queued within %v", d)
		}
		log.Close()
		if len(sink.all()) != 3*maxPending {
			t.Errorf("%d records are kept", len(sink.all()))
		}
	})
}

func TestSinkErrorStaysAndNothingIsLost(t *testing.T) {
	broken := errors.New("no space left on device")
	sink := &memorySink{}
	log := NewLog("r", sink, nil)
	w := log.Watch()
	if err := log.Commit(numbered(1)); err != nil {
		t.Fatal(err)
	}
	sink.mu.Lock()
	sink.err = broken
	sink.mu.Unlock()
	if err := log.Commit(numbered(2)); !errors.Is(err, broken) {
		t.Errorf("Commit: %v", err)
	}
	sink.mu.Lock()
	sink.err = nil // space is there again, but the journal has a gap
	sink.mu.Unlock()
	if err := log.Commit(numbered(3)); !errors.Is(err, broken) {
		t.Errorf("the next Commit: %v", err)
	}
	log.Emit(numbered(4), StepOutput{Length: 1})
	if err := log.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
	if n := len(sink.all()); n != 1 {
		t.Errorf("the sink has %d records", n)
	}
	var seen, unwritten []uint64
	for rec := range w.Records() {
		seen = append(seen, rec.Seq)
	}
	for _, rec := range log.Unwritten() {
		unwritten = append(unwritten, rec.Seq)
	}
	if !slices.Equal(seen, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("the view saw %v", seen)
	}
	if !slices.Equal(unwritten, []uint64{2, 3, 4}) {
		t.Errorf("unwritten: %v", unwritten)
	}
}

func TestClosedLogTakesNothing(t *testing.T) {
	log := NewLog("r", nil, nil)
	if err := log.Commit(numbered(1)); err != nil {
		t.Fatal(err)
	}
	w := log.Watch()
	log.Close()
	if err := log.Commit(numbered(2)); err != ErrClosed {
		t.Errorf("Commit: %v", err)
	}
	log.Emit(numbered(3))
	for rec := range w.Records() {
		t.Errorf("the watcher got %v", rec)
	}
	for rec := range log.Watch().Records() {
		t.Errorf("a new watcher got %v", rec)
	}
	if err := log.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestFactsAreMaskedBeforeSinkAndViews(t *testing.T) {
	red := NewRedactor()
	red.Add("the-secret")
	sink := &memorySink{}
	log := NewLog("r", sink, red)
	w := log.Watch()
	facts := []Fact{LogFact{Text: "the-secret"}, &JobComplete{Outcome: outcome.Failed, Why: "the-secret"}}
	if err := log.Commit(facts...); err != nil {
		t.Fatal(err)
	}
	log.Close()
	var seen []Record
	for rec := range w.Records() {
		seen = append(seen, rec)
	}
	for _, recs := range [][]Record{sink.all(), seen} {
		if len(recs) != 2 || recs[0].Fact != (LogFact{Text: Mask}) || recs[1].Fact != (JobComplete{Outcome: outcome.Failed, Why: Mask}) {
			t.Errorf("got %v", recs)
		}
	}
	if facts[0] != (LogFact{Text: "the-secret"}) {
		t.Error("the caller's facts were changed")
	}
}

func output(step, stream string, offset, length int64) StepOutput {
	return StepOutput{Step: Step{Address: step, Attempt: 1}, Stream: stream, Offset: offset, Length: length}
}

func TestOutputIsMergedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog("r", &memorySink{}, nil)
		w := log.Watch()
		for i := range int64(100) {
			log.Emit(output("a", "stdout", i*10, 10), output("a", "stderr", i, 1), output("b", "stdout", i*10, 10))
		}
		log.Emit(output("a", "stdout", 5000, 1)) // a gap: not merged
		time.Sleep(time.Second)
		for i := range int64(100) { // now it waits for the watcher
			log.Commit(output("b", "stdout", 1000+i*10, 10), numbered(int(i)))
		}
		log.Close()
		var outputs []StepOutput
		facts := 0
		for rec := range w.Records() {
			if o, ok := rec.Fact.(StepOutput); ok {
				outputs = append(outputs, o)
			} else {
				facts++
			}
		}
		want := []StepOutput{output("a", "stdout", 0, 1000), output("a", "stderr", 0, 100), output("b", "stdout", 0, 2000), output("a", "stdout", 5000, 1)}
		if !slices.Equal(outputs, want) {
			t.Errorf("got %v", outputs)
		}
		if facts != 100 {
			t.Errorf("%d other facts, want 100", facts)
		}
	})
}

func TestWatcherThatStandsStillDoesNotHoldTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog("r", nil, nil)
		w := log.Watch()
		began := time.Now()
		const facts = 4 * watchRoom
		for i := range facts {
			if err := log.Commit(numbered(i)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 2*watchPatience {
			t.Errorf("the run stood still for %v", d)
		}
		log.Close()
		n := 0
		for rec := range w.Records() {
			if n++; rec.Seq != uint64(n) {
				t.Fatalf("record %d has number %d", n, rec.Seq)
			}
		}
		if n != facts {
			t.Errorf("%d records, want %d", n, facts)
		}
	})
}

func TestWatcherThatIsSlowSlowsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog("r", nil, nil)
		w := log.Watch()
		most := 0
		var view sync.WaitGroup
		view.Go(func() {
			for range w.Records() {
				w.mu.Lock()
				most = max(most, len(w.queue))
				w.mu.Unlock()
				time.Sleep(100 * time.Microsecond)
			}
		})
		for i := range 5 * watchRoom {
			log.Commit(numbered(i))
		}
		log.Close()
		view.Wait()
		if most > watchRoom+1 {
			t.Errorf("%d records waited, with room for %d", most, watchRoom)
		}
	})
}

func TestStoppedWatcherGetsNothing(t *testing.T) {
	log := NewLog("r", nil, nil)
	w := log.Watch()
	log.Commit(numbered(1), numbered(2))
	for range w.Records() {
		break
	}
	log.Commit(numbered(3))
	log.Close()
	for rec := range w.Records() {
		t.Errorf("got %v", rec)
	}
}

func BenchmarkCommit(b *testing.B) {
	log := NewLog("r", nil, NewRedactor())
	defer log.Close()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			log.Commit(StepStart{Step: Step{Address: "a"}})
		}
	})
}
