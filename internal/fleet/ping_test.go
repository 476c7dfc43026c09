package fleet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPingTellsWhatIsKnownNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smallFleet()
		f := inMemory(t, s, Options{})
		for id, want := range map[string]bool{short(1): true, short(4): false} {
			if p, err := f.Ping(t.Context(), "aws", id); err != nil || p.Online != want {
				t.Errorf("%s: %+v, %v", id, p, err)
			}
		}
		if _, err := f.Ping(t.Context(), "aws", short(7)); !errors.Is(err, errNotListed) {
			t.Errorf("a stopped node: %v", err)
		}
		s.nodes[3].ping = ""
		if p, err := f.Ping(t.Context(), "aws", short(4)); err != nil || !p.Online {
			t.Errorf("it remembers: %+v, %v", p, err)
		}
	})
}

// A fleet that restarts is watched with few calls, whoever of those who ask goes
// away, and one bad id does not hide the others.
func TestPingsShareTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes, rounds = 200, 10
		s := &service{}
		for i := range nodes {
			s.nodes = append(s.nodes, fakeNode{id: short(100 + i)})
		}
		s.nodes[7].stopped = true
		f := inMemory(t, s, Options{})
		began := time.Now()
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := f.Ping(impatient, "aws", short(100)); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who left: %v", err)
			}
		})
		synctest.Wait()
		for i := range nodes {
			wg.Go(func() {
				for range rounds {
					p, err := f.Ping(t.Context(), "aws", short(100+i))
					if ok := err == nil && p.Online; ok == (i == 7) {
						t.Errorf("%d: %+v, %v", i, p, err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		took, calls := time.Since(began), s.count("DescribeInstanceInformation")
		// Finding the one bad id among fifty costs a dozen calls more a round.
		if most := rounds * (nodes/pageSize + 12); calls > most || calls < rounds*nodes/pageSize {
			t.Errorf("%d calls, want at most %d", calls, most)
		}
		if took < rounds*nodes/pageSize*pingPace/2 {
			t.Errorf("%d calls in %s", calls, took)
		}
	})
}
