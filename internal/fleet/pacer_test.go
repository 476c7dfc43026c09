package fleet

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// line up starts n waiters, in order, and returns when each got its turn.
func lineUp(t *testing.T, p *pacer, n int) []time.Duration {
	t.Helper()
	start := time.Now()
	turns := make([]time.Duration, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := p.wait(t.Context(), nil); err != nil {
				t.Error(err)
			}
			turns[i] = time.Since(start)
		})
		synctest.Wait() // so that the order of asking is i
	}
	wg.Wait()
	return turns
}

func TestPacerGivesTurnsInOrderWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, perSecond = 500, 2.0
		turns := lineUp(t, newPacer(perSecond), n)
		for i := 1; i < n; i++ {
			if gap := turns[i] - turns[i-1]; gap < 499*time.Millisecond || gap > 501*time.Millisecond {
				t.Fatalf("turn %d came %v after turn %d, want 500ms", i, gap, i-1)
			}
		}
		want := time.Duration(float64(n-1) / perSecond * float64(time.Second))
		if last := turns[n-1]; last < want-time.Millisecond || last > want*102/100 {
			t.Errorf("last of %d turns came after %v, want %v", n, last, want)
		}
	})
}

func TestPacerSavesNoTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(2)
		time.Sleep(time.Hour)
		turns := lineUp(t, p, 3)
		if turns[0] != 0 || turns[1] < 499*time.Millisecond || turns[2] < 999*time.Millisecond {
			t.Errorf("turns after an idle hour came at %v, want 0s 500ms 1s", turns)
		}
	})
}

func TestPacerPassesTheTurnOfOneWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(1)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ctx := ctx
				if i == 0 || i == 9 {
					ctx = t.Context()
				}
				err := p.wait(ctx, nil)
				if gone := i > 0 && i < 9; gone != errors.Is(err, context.Canceled) {
					t.Errorf("waiter %d: %v", i, err)
				}
				if i == 9 && time.Since(start) > 2*time.Second {
					t.Errorf("the one behind those who left waited %v", time.Since(start))
				}
			})
			synctest.Wait()
		}
		time.Sleep(500 * time.Millisecond) // waiter 1 is the head by now, 2 to 8 are behind it
		cancel()
		wg.Wait()
		if p.busy || p.waiting.Len() != 0 {
			t.Errorf("queue is not empty: busy %v, %d waiting", p.busy, p.waiting.Len())
		}
	})
}

func TestPacerReportsTheWaitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(2)
		var waits []time.Duration
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p.wait(t.Context(), func(pr plan.Progress) { waits = append(waits, pr.Wait.Round(time.Millisecond)) })
			})
			synctest.Wait()
		}
		wg.Wait()
		if len(waits) != 3 || waits[0] != 500*time.Millisecond || waits[2] != 1500*time.Millisecond {
			t.Errorf("reported waits %v, want 500ms, 1s, 1.5s", waits)
		}
	})
}

func TestPacerWithinADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := p.wait(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.wait(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
	})
}

func TestPacerHalvesOnceForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(8)
		sent := time.Now()
		time.Sleep(time.Second)
		for range 5 {
			p.throttled(sent)
		}
		if got := p.limiter.Limit(); got != 4 {
			t.Errorf("five calls of one burst made 8/s into %v/s, want 4", got)
		}
		time.Sleep(time.Millisecond)
		p.throttled(time.Now())
		if got := p.limiter.Limit(); got != 2 {
			t.Errorf("a later call made it %v/s, want 2", got)
		}
		for range 20 {
			p.throttled(time.Now())
		}
		if got := p.limiter.Limit(); got != 0.5 {
			t.Errorf("floor is %v/s, want 0.5", got)
		}
	})
}

func TestPacerRecoversSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(10)
		p.throttled(time.Now())
		for _, step := range []struct {
			after time.Duration
			want  float64
		}{{9 * time.Second, 5}, {time.Second, 6}, {20 * time.Second, 8}, {time.Hour, 10}} {
			time.Sleep(step.after)
			p.recover(time.Now())
			if got := float64(p.limiter.Limit()); math.Abs(got-step.want) > 1e-9 {
				t.Errorf("after %v: %v/s, want %v", step.after, got, step.want)
			}
		}
	})
}

func TestPacerUnlimitedIsNotAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(math.Inf(1))
		for _, at := range lineUp(t, p, 100) {
			if at != 0 {
				t.Fatalf("a turn came after %v", at)
			}
		}
		p.throttled(time.Now())
		if got := p.limiter.Limit(); got != rateAfterUnlimited {
			t.Errorf("throttled to %v/s, want %v", got, rateAfterUnlimited)
		}
	})
}

func TestProvidersOfOneAccountShareTheLowestRate(t *testing.T) {
	f := inMemory(t, &service{}, Options{Static: &Credentials{AccessKeyID: "A", SecretAccessKey: NewSecret("s"), AccountID: "1"}},
		plan.Provider{Key: "aws", StartRate: 3}, plan.Provider{Key: "aws.b", StartRate: 1.5})
	a, b := f.pacer(f.providers["aws"]), f.pacer(f.providers["aws.b"])
	if a != b {
		t.Error("two providers of one account and region have two queues")
	}
	if got := a.limiter.Limit(); got != 1.5 {
		t.Errorf("rate %v, want 1.5", got)
	}
}
