package fleet

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ssmrun/ssmrun/internal/plan"
)

const (
	// defaultStartRate leaves one of AWS's three StartSession a second and
	// account and region to people.
	defaultStartRate = 2

	// recoverEvery and recoverBy are how a rate that was halved comes back: a
	// tenth of what was configured every ten seconds without throttling. From
	// one half that takes 50 s.
	recoverEvery = 10 * time.Second
	recoverBy    = 0.1

	// floorShare is the smallest share of the configured rate that throttling
	// leaves.
	floorShare = 1.0 / 16

	// rateAfterUnlimited is what an unlimited rate becomes when the service
	// throttles it all the same.
	rateAfterUnlimited = 16
)

// pacer is the queue of one account and region for StartSession. Turns are
// given in the order they were asked for, one at a time and 1/rate seconds
// apart. Unused turns are not saved up, and a turn that was taken late does not
// delay the next one, so the last of N comes (N-1)/rate seconds after the first.
type pacer struct {
	limiter *rate.Limiter // with a burst of one

	mu      sync.Mutex // protects what follows
	ceiling rate.Limit // what was configured
	changed time.Time  // when the limit was last lowered or raised
	cut     time.Time  // when it was last lowered
	busy    bool       // somebody has the head of the queue and waits for the limiter
	waiting list.List  // of chan struct{}, in order; closed when its turn to be the head comes
}

// newPacer returns a pacer for perSecond calls a second; +Inf means no limit.
func newPacer(perSecond float64) *pacer {
	limit := rate.Limit(perSecond)
	if math.IsInf(perSecond, 1) {
		limit = rate.Inf
	}
	return &pacer{limiter: rate.NewLimiter(limit, 1), ceiling: limit}
}

// wait returns when it is the caller's turn to call StartSession. An error is
// ctx's: the turn then goes to the next in the queue. Waiting is reported once,
// with the time it is expected to take.
func (p *pacer) wait(ctx context.Context, report func(plan.Progress)) error {
	return p.queue(ctx, false, "StartSession quota", report)
}

// again is wait for a call that was throttled: it has waited once, so it goes
// to the front, after a random part of one interval so that several clients
// that share an account do not meet again. That is reported however short it is.
func (p *pacer) again(ctx context.Context, report func(plan.Progress)) error {
	p.mu.Lock()
	late := time.Duration(rand.Float64() * float64(time.Second) / float64(p.limiter.Limit()))
	expected := max(late, p.expected(true))
	p.mu.Unlock()
	if report != nil {
		report(plan.Progress{Why: "throttled by AWS", Wait: expected})
	}
	jitter := time.NewTimer(late)
	defer jitter.Stop()
	select {
	case <-jitter.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.queue(ctx, true, "", nil)
}

func (p *pacer) queue(ctx context.Context, front bool, why string, report func(plan.Progress)) error {
	p.mu.Lock()
	if p.limiter.Limit() == rate.Inf {
		p.mu.Unlock()
		return ctx.Err()
	}
	expected := p.expected(front)
	place := p.join(front)
	p.mu.Unlock()
	if expected > 0 && report != nil {
		report(plan.Progress{Why: why, Wait: expected})
	}
	if place != nil {
		select {
		case <-place.Value.(chan struct{}):
		case <-ctx.Done():
			p.giveUp(place)
			return ctx.Err()
		}
	}
	defer p.next()
	p.recover(time.Now())
	if err := p.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The limiter knows beforehand that the deadline comes first.
		return fmt.Errorf("%w: the turn comes after it", context.DeadlineExceeded)
	}
	return nil
}

// join makes the caller the head (nil) or puts it into the queue. p.mu is held.
func (p *pacer) join(front bool) *list.Element {
	if !p.busy {
		p.busy = true
		return nil
	}
	if front {
		return p.waiting.PushFront(make(chan struct{}))
	}
	return p.waiting.PushBack(make(chan struct{}))
}

// next hands the head of the queue on.
func (p *pacer) next() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.waiting.Front(); first != nil {
		close(p.waiting.Remove(first).(chan struct{}))
		return
	}
	p.busy = false
}

// giveUp leaves the queue, or hands on the head that came at the same moment.
func (p *pacer) giveUp(place *list.Element) {
	p.mu.Lock()
	select {
	case <-place.Value.(chan struct{}):
		p.mu.Unlock()
		p.next()
		return
	default:
	}
	p.waiting.Remove(place)
	p.mu.Unlock()
}

// expected is how long whoever joins now will wait. p.mu is held.
func (p *pacer) expected(front bool) time.Duration {
	ahead := 0.0
	if p.busy && !front {
		ahead = float64(p.waiting.Len()) + 1
	}
	short := ahead + 1 - max(0, p.limiter.Tokens())
	if short <= 0 {
		return 0
	}
	return time.Duration(short / float64(p.limiter.Limit()) * float64(time.Second))
}

// throttled halves the rate, once for all the calls that were sent before the
// last cut: they say nothing about the rate since.
func (p *pacer) throttled(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.cut) {
		return
	}
	now := time.Now()
	limit := p.limiter.Limit() / 2
	if p.ceiling == rate.Inf {
		p.ceiling = rateAfterUnlimited
		limit = rateAfterUnlimited
	}
	p.limiter.SetLimitAt(now, max(limit, p.ceiling*floorShare))
	p.cut, p.changed = now, now
}

// recover raises a rate that was cut, a step for each period without throttling.
func (p *pacer) recover(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps := now.Sub(p.changed) / recoverEvery
	limit := p.limiter.Limit()
	if limit >= p.ceiling || steps < 1 {
		return
	}
	p.limiter.SetLimitAt(now, min(p.ceiling, limit+p.ceiling*rate.Limit(float64(steps)*recoverBy)))
	p.changed = now
}

// pacer returns the queue of a provider's account and region. Providers that
// share one get the lowest of their rates.
func (f *Fleet) pacer(p *provider) *pacer {
	key := p.pacedBy()
	f.mu.Lock()
	defer f.mu.Unlock()
	if pc, ok := f.pacers[key]; ok {
		return pc
	}
	lowest := math.Inf(1)
	for _, other := range f.providers {
		if other.pacedBy() == key {
			lowest = min(lowest, other.startRate())
		}
	}
	if f.opts.StartRate > 0 {
		lowest = f.opts.StartRate
	}
	pc := newPacer(lowest)
	f.pacers[key] = pc
	return pc
}

func (p *provider) startRate() float64 {
	if p.StartRate > 0 {
		return p.StartRate
	}
	return defaultStartRate
}

// pacedBy names the account and region whose quota the provider uses. Where the
// account is not known its credentials stand for it.
func (p *provider) pacedBy() string {
	who := p.known().account
	if who == "" {
		who = p.keyedBy
	}
	key := who + " " + p.Region
	if p.endpoint != nil {
		key += " " + p.endpoint.Host
	}
	return key
}
