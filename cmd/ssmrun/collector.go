package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// spareMemory is how much garbage may lie about before it is collected, as far as
	// mostSpare and leastSpare let it: percents of what lives.
	spareMemory = 192 << 20
	mostSpare   = 400
	leastSpare  = 30

	// memoryLimit is where the collector begins to work harder.
	memoryLimit = 1 << 30
)

// tuneCollector lets garbage grow to spareMemory. A run's heap is small and most of
// it is short-lived, and collecting less often saves a fifth of the CPU time a
// session costs; with thousands of sessions, memory that grows with what lives
// would be several times what they need (docs/performance.md). GOGC and
// GOMEMLIMIT in the environment stand.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(mostSpare)
		afterCollections(setSpare)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// setSpare sets the collector's percentage by what lives.
func setSpare() {
	lives := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(lives)
	percent := sparePercent(lives[0].Value.Uint64() + lives[1].Value.Uint64())
	if was := lives[2].Value.Uint64(); percent*10 < was*9 || percent*10 > was*11 { // setting it stops the world
		debug.SetGCPercent(int(percent))
	}
}

// sparePercent is spareMemory as a percentage of the bytes that live, within its
// bounds.
func sparePercent(lives uint64) uint64 {
	return min(max(100*spareMemory/max(lives, 1), leastSpare), mostSpare)
}

// afterCollections calls f after every collection, on the goroutine that runs
// finalizers.
func afterCollections(f func()) {
	type cycle struct{ again func(*cycle) }
	c := &cycle{}
	c.again = func(c *cycle) {
		f()
		runtime.SetFinalizer(c, c.again)
	}
	runtime.SetFinalizer(c, c.again)
}
