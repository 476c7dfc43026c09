package lab

import (
	"context"
	"time"
)

// linger waits for d, or for ever when d is hclspec.Never, and reports whether d
// passed before any of the contexts ended.
func linger(d time.Duration, ctx, other context.Context) bool {
	if d == 0 {
		return true
	}
	var passed <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-passed:
		return true
	case <-ctx.Done():
	case <-other.Done():
	}
	return false
}
