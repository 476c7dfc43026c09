package exec

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// A status that may be an old one is not taken for the target's return, and one
// that is new is, at once.
func TestWhenATargetIsWorthASession(t *testing.T) {
	old := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		ping func(since time.Duration) (Ping, error)
		want string // when the first three sessions are tried
	}{
		"its status stays as it was": {
			func(time.Duration) (Ping, error) { return Ping{true, old}, nil }, "[1m0s 2m1s 3m2s]"},
		"it is away for 30 s": {
			func(since time.Duration) (Ping, error) { return Ping{since > 30*time.Second, old}, nil }, "[30s 51s 1m12s]"},
		"it pings after 30 s": {
			func(since time.Duration) (Ping, error) {
				return Ping{true, old.Add(since.Truncate(30 * time.Second))}, nil
			}, "[30s 51s 1m12s]"},
		"nobody may ask": {
			func(time.Duration) (Ping, error) { return Ping{}, errors.New("AccessDeniedException") }, "[1m0s 2m1s 3m2s]"},
		"it is away for good": {
			func(time.Duration) (Ping, error) { return Ping{}, nil }, "[]"},
		"nobody can be asked": {nil, "[1s 21s 42s]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				limit, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				w := newWorld(newSession("web", 1))
				if c.ping != nil {
					w.opts.Ping = func(context.Context, string, string) (Ping, error) { return c.ping(time.Since(began)) }
				}
				job := &jobRun{run: &run{opts: w.opts}, Task: Task{Job: w.sessions[0].Jobs[0]}}
				r := &reboot{attempt: &attempt{jobRun: job, step: &plan.Step{}}, limit: limit}
				r.sight.look(r)
				tries := []time.Duration{}
				for len(tries) < 3 && r.sight.wait(r) {
					tries = append(tries, time.Since(began).Truncate(time.Second))
				}
				if got := fmt.Sprint(tries); got != c.want {
					t.Errorf("sessions at %s, want %s", got, c.want)
				}
			})
		})
	}
}
