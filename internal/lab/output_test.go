package lab

import (
	"testing"
	"testing/synctest"
	"time"
)

// Both of a command's streams share a session's rate.
func TestOutputRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, messages = 5_000_000, 20_000
		var m meter
		began := time.Now()
		for range messages {
			time.Sleep(m.add(1024, rate))
		}
		want := time.Duration(messages) * 1024 * time.Second / rate
		if took := time.Since(began); took < want-meterCarry-meterGrain || took > want {
			t.Errorf("%d messages took %v, want %v", messages, took, want)
		}
		time.Sleep(time.Minute)
		began = time.Now()
		for range messages {
			time.Sleep(m.add(1024, rate))
		}
		if took := time.Since(began); took < want-meterCarry-meterGrain {
			t.Errorf("after a silence it took %v, want %v", took, want)
		}
		if wait := m.add(1<<20, 0); wait != 0 {
			t.Errorf("without a rate: got %v", wait)
		}
	})
}
