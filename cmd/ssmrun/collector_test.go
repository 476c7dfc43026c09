package main

import (
	"runtime"
	"testing"
)

func TestSpareMemoryIsBounded(t *testing.T) {
	for lives, want := range map[uint64]uint64{0: 400, 10 << 20: 400, 96 << 20: 200, 400 << 20: 48, 4 << 30: 30} {
		if got := sparePercent(lives); got != want {
			t.Errorf("%d MiB live: %d %%, want %d", lives>>20, got, want)
		}
	}
}

func TestEveryCollectionIsFollowed(t *testing.T) {
	followed := make(chan struct{}, 100)
	afterCollections(func() { followed <- struct{}{} })
	for range 3 {
		runtime.GC()
		<-followed
	}
}
