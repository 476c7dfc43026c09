package lab

import (
	"sync"
	"time"
)

// startLimit is StartSession's quota: a bucket that holds one second's worth
// and fills at the rate.
type startLimit struct {
	rate float64

	mu     sync.Mutex
	tokens float64   // guarded by mu
	last   time.Time // guarded by mu; zero before the first call
}

func newStartLimit(rate float64) *startLimit { return &startLimit{rate: rate} }

// allow takes one start from the bucket if there is one. A rate of 0 has no
// limit.
func (s *startLimit) allow(now time.Time) bool {
	if s.rate <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	most := max(s.rate, 1)
	if s.last.IsZero() {
		s.tokens = most
	} else {
		s.tokens = min(most, s.tokens+now.Sub(s.last).Seconds()*s.rate)
	}
	s.last = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}
