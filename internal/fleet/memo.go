package fleet

import (
	"context"
	"sync"
)

// memo remembers answers by key. Callers that ask while an answer is on its way
// share it; an error is given to those who waited and then forgotten.
type memo[T any] struct {
	mu    sync.Mutex // protects what follows
	cells map[string]*cell[T]
}

type cell[T any] struct {
	done  chan struct{} // closed when value or err is set
	value T
	err   error
}

// get returns the answer for key, asking for it at most once at a time. When
// ctx ends, this caller stops waiting; the one who asks uses its own ctx.
func (m *memo[T]) get(ctx context.Context, key string, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	if m.cells == nil {
		m.cells = map[string]*cell[T]{}
	}
	c, ok := m.cells[key]
	if !ok {
		c = &cell[T]{done: make(chan struct{})}
		m.cells[key] = c
	}
	m.mu.Unlock()

	if ok {
		select {
		case <-c.done:
			return c.value, c.err
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		}
	}
	c.value, c.err = ask()
	if c.err != nil {
		m.mu.Lock()
		delete(m.cells, key)
		m.mu.Unlock()
	}
	close(c.done)
	return c.value, c.err
}
