package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
)

// queuedEvery is how often the same wait is told again.
const queuedEvery = 10 * time.Second

// queued knows which jobs wait and for what. Hundreds may wait for the same
// thing, and one line says so.
type queued struct {
	waits map[string]event.SessionQueued // by address of the job
	fresh bool                           // somebody said so since it was told
	told  time.Time
}

func (q *queued) add(f event.SessionQueued) {
	if q.waits == nil {
		q.waits = map[string]event.SessionQueued{}
	}
	q.waits[f.Address] = f
	q.fresh = true
}

func (q *queued) remove(address string) { delete(q.waits, address) }

// due reports whether there is something to tell at a time.
func (q *queued) due(at time.Time) bool {
	return len(q.waits) > 0 && q.fresh && (q.told.IsZero() || at.Sub(q.told) >= queuedEvery)
}

// queuedRecord takes a wait into account. A few jobs are told of one by one and
// at once; many are counted, and told of when something else happens.
func (v *plainView) queuedRecord(at time.Time, f event.SessionQueued) {
	if v.jobs > fewJobs {
		v.queue.add(f)
		return
	}
	v.say(at, who(f.Target, f.Name), Sanitize(f.Session)+": waiting: "+Sanitize(f.Why)+about(f.WaitSeconds))
}

func about(seconds int) string {
	if seconds <= 0 {
		return ""
	}
	return ", about " + setting(time.Duration(seconds)*time.Second)
}

// tellQueued prints a line for each reason that jobs wait for, when it is due.
func (v *plainView) tellQueued(at time.Time) {
	q := &v.queue
	if !q.due(at) {
		return
	}
	q.told, q.fresh = at, false
	type wait struct{ session, why string }
	jobs := map[wait]int{}
	longest := map[wait]int{}
	for _, f := range q.waits {
		k := wait{f.Session, f.Why}
		jobs[k]++
		longest[k] = max(longest[k], f.WaitSeconds)
	}
	keys := slices.SortedFunc(maps.Keys(jobs), func(a, b wait) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.why, b.why))
	})
	for _, k := range keys {
		text := fmt.Sprintf("%s: %s waiting: %s", Sanitize(k.session), count(jobs[k], "job"), Sanitize(k.why))
		v.say(at, "", text+about(longest[k]))
	}
}
