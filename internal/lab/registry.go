package lab

import (
	"slices"
	"strings"
	"sync"
)

// keptSessions is how many ended sessions DescribeSessions remembers.
const keptSessions = 10000

// registry is the sessions of the lab, running and ended.
type registry struct {
	mu     sync.Mutex
	active map[string]*session // guarded by mu
	ended  []*session          // guarded by mu, in the order of their ends
	closed bool                // guarded by mu

	running     sync.WaitGroup // sessions that were added and not finished
	connections sync.WaitGroup // data channels that are being served
}

func newRegistry() *registry { return &registry{active: make(map[string]*session)} }

// add registers a session and reports whether the lab still takes any.
func (r *registry) add(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.active[s.id] = s
	r.running.Add(1)
	return true
}

// connect counts a data channel in, if the lab still takes any. The caller is
// to call connections.Done.
func (r *registry) connect() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.connections.Add(1)
	return true
}

// find returns an active session.
func (r *registry) find(id string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[id]
}

// knows reports whether there is or was such a session.
func (r *registry) knows(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[id] != nil || slices.ContainsFunc(r.ended, func(s *session) bool { return s.id == id })
}

// finish moves a session to the ended ones.
func (r *registry) finish(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, s.id)
	r.ended = append(r.ended, s)
	if len(r.ended) > keptSessions {
		r.ended = slices.Delete(r.ended, 0, keptSessions/10)
	}
	r.running.Done()
}

// list returns the active or the ended sessions, the newest first.
func (r *registry) list(active bool) []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*session
	if active {
		for _, s := range r.active {
			out = append(out, s)
		}
	} else {
		out = slices.Clone(r.ended)
	}
	slices.SortFunc(out, func(a, b *session) int {
		if c := b.started.Compare(a.started); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return out
}

// endOn ends the sessions on a node and does not wait for them.
func (r *registry) endOn(n *node) {
	for _, s := range r.list(true) {
		if s.node == n {
			s.cancel()
		}
	}
}

// endAll ends all sessions, takes no more, and returns when they have ended.
func (r *registry) endAll() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, s := range r.list(true) {
		s.cancel()
	}
	r.running.Wait()
}
