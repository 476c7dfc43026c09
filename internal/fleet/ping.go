package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// pingGather is how long a question waits for others that can be asked with it.
	pingGather = 250 * time.Millisecond
	// pingPace is the time between two calls on average, when there are so many
	// questions that one call, of at most fifty, does not take them all.
	pingPace = 500 * time.Millisecond
)

// Ping is what AWS knows of a node's agent.
type Ping struct {
	Online bool
	Last   time.Time // when AWS heard of it last
}

// Ping returns what is known of one node now. Questions that come together share
// their calls to DescribeInstanceInformation, of which a provider makes at most
// two a second, so that a whole fleet may be watched while it restarts.
func (f *Fleet) Ping(ctx context.Context, provider, id string) (Ping, error) {
	p, err := f.provider(provider)
	if err != nil {
		return Ping{}, err
	}
	n, err := p.pings.ask(ctx, &p.inventory, id)
	if err != nil {
		return Ping{}, fmt.Errorf("look for %s: %w", id, ended(ctx, explain(err)))
	}
	return Ping{Online: n.ping == "Online", Last: n.pinged()}, nil
}

// pings gathers questions about nodes into rounds.
type pings struct {
	mu   sync.Mutex // protects what follows
	next *pingRound // the round that still takes questions; nil: there is none
	free time.Time  // when another round may be asked
}

type pingRound struct {
	ids  map[string]bool
	done chan struct{} // closed when found or err is set

	found identified
	err   error
	left  bool // the one who asked went away before there was an answer
}

var errNotListed = errors.New("it is not listed: it is stopped, unknown or not yours")

func (q *pings) ask(ctx context.Context, inv *inventory, id string) (node, error) {
	for {
		r, first := q.join(id)
		if first {
			q.lead(ctx, inv, r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return node{}, ctx.Err()
		}
		switch n, ok := r.found.nodes[id]; {
		case r.left && ctx.Err() == nil:
			continue // another one asks
		case r.err != nil:
			return node{}, r.err
		case r.found.refused[id] != nil:
			return node{}, r.found.refused[id]
		case !ok:
			return node{}, errNotListed
		default:
			return n, nil
		}
	}
}

// join adds a question to the round that gathers, and reports whether it is the
// first: then the caller has to lead the round.
func (q *pings) join(id string) (r *pingRound, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = &pingRound{ids: map[string]bool{}, done: make(chan struct{})}
		first = true
	}
	q.next.ids[id] = true
	return q.next, first
}

// lead waits until a round may be asked, and asks.
func (q *pings) lead(ctx context.Context, inv *inventory, r *pingRound) {
	defer close(r.done)
	q.mu.Lock()
	delay := max(pingGather, time.Until(q.free))
	q.mu.Unlock()
	waited := pause(ctx, delay)
	q.mu.Lock()
	q.next = nil
	ids := slices.Sorted(maps.Keys(r.ids))
	calls := (len(ids) + pageSize - 1) / pageSize
	if waited {
		q.free = time.Now().Add(time.Duration(calls) * pingPace)
	}
	q.mu.Unlock()
	if waited {
		r.found, r.err = inv.now(ctx, ids)
	}
	r.left = ctx.Err() != nil
}

// now is withIDs without the memory of earlier answers.
func (inv *inventory) now(ctx context.Context, ids []string) (identified, error) {
	search := idSearch{inv: inv, found: identified{map[string]node{}, map[string]error{}}}
	group, groupCtx := errgroup.WithContext(ctx)
	for chunk := range slices.Chunk(ids, pageSize) {
		group.Go(func() error { return search.look(groupCtx, chunk) })
	}
	err := group.Wait()
	return search.found, err
}
