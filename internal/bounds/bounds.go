package bounds

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

const (
	maxTime = time.Second
	// hung is long enough for four seconds of work on a machine that has little
	// time for it.
	hung = 4 * time.Minute

	// attempts is how often something must be over its limit to count.
	attempts = 4

	// exactly is how many calls of a fuzzing worker there are to one that is
	// measured exactly, which costs more than most decoders.
	exactly = 16
)

// Wire is what a decoder of something from the network may allocate for an
// input of n bytes: four times as much, and 4 KiB for its errors and the state
// of the JSON decoder.
func Wire(n int) int { return 4*n + 4<<10 }

// Check runs f, which must do the same each time: it is called again when it
// allocated more than limit bytes. Under the race detector, which makes sync.Pool
// forget at random what it keeps, twice as many are allowed.
func Check(t testing.TB, limit int, f func()) {
	t.Helper()
	limit *= slack
	watch := time.AfterFunc(hung, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("did not return within %v", hung))
	})
	defer watch.Stop()
	calls++
	if calls%exactly != 1 && fuzzing() {
		if used := timed(t, roughly, f); used <= uint64(limit)/2 {
			return
		}
	}
	least := timed(t, precisely, f)
	for range attempts - 1 {
		if least <= uint64(limit) {
			return
		}
		least = min(least, timed(t, precisely, f))
	}
	if least > uint64(limit) {
		t.Fatalf("allocated %d bytes, at most %d are allowed", least, limit)
	}
}

// timed returns how much f allocated.
func timed(t testing.TB, allocated func() uint64, f func()) uint64 {
	t.Helper()
	start := processorTime()
	before := allocated()
	f()
	used := allocated() - before
	if took := processorTime() - start; took > maxTime {
		t.Fatalf("took %v of processor time, at most %v is allowed", took, maxTime)
	}
	return used
}

// calls is used by a target's goroutine only.
var calls int

// fuzzing reports whether this process is a worker of go test -fuzz. Seeds and
// what was found before are always measured exactly.
func fuzzing() bool {
	worker := flag.Lookup("test.fuzzworker")
	return worker != nil && worker.Value.String() == "true"
}

// precisely counts every byte, and stops the world for it.
func precisely() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

var sample = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}

// roughly counts small objects by the page that they come from.
func roughly() uint64 {
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
