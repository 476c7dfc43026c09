package plan

import (
	"math"
	"time"
)

// DelayBefore returns how long to wait before the given attempt: 0 before the
// first, Delay before the second, then Backoff times longer each time, up to
// MaxDelay.
func (r Retry) DelayBefore(attempt int) time.Duration {
	if attempt <= 1 || r.Delay <= 0 {
		return 0
	}
	limit := r.MaxDelay
	if limit <= 0 {
		limit = math.MaxInt64
	}
	backoff := r.Backoff
	if backoff < 1 {
		backoff = 1
	}
	d := float64(r.Delay) * math.Pow(backoff, float64(attempt-2))
	if d >= float64(limit) {
		return limit
	}
	return time.Duration(d)
}
