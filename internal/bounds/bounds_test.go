package bounds

import (
	"runtime"
	"strings"
	"testing"
)

// verdict records what Check says of a decoder.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper() {}
func (v *verdict) Fatalf(format string, args ...any) {
	v.said = format
	runtime.Goexit()
}

func check(t *testing.T, limit int, f func()) string {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Check(v, limit, f)
	}()
	<-done
	return v.said
}

var kept []byte

func TestWhatIsWithinItsBoundsPasses(t *testing.T) {
	if said := check(t, 1<<10, func() { kept = make([]byte, 1<<10) }); said != "" {
		t.Error(said)
	}
}

func TestAllocationOverTheLimitFails(t *testing.T) {
	for name, f := range map[string]func(){
		"one": func() { kept = make([]byte, slack*2<<10) },
		"many": func() {
			for range slack * 64 {
				kept = make([]byte, 32)
			}
		},
	} {
		if said := check(t, 1<<10, f); !strings.HasPrefix(said, "allocated") {
			t.Errorf("%s: %q", name, said)
		}
	}
}

func TestAllocationThatHappensOnceIsNotTheDecoders(t *testing.T) {
	calls := 0
	if said := check(t, 1<<10, func() {
		if calls++; calls == 1 {
			kept = make([]byte, 1<<20)
		}
	}); said != "" || calls != 2 {
		t.Errorf("%q after %d calls", said, calls)
	}
}

func TestASecondOfWorkFails(t *testing.T) {
	said := check(t, 1<<10, func() {
		for start := processorTime(); processorTime()-start <= maxTime; {
		}
	})
	if !strings.HasPrefix(said, "took") {
		t.Errorf("%q", said)
	}
}
