package tunnel

import (
	"sync"
	"time"
)

// ear remembers when something was last heard. The zero value has heard
// nothing.
type ear struct {
	mu   sync.Mutex // protects what follows
	last time.Time
}

func (e *ear) touch() {
	e.mu.Lock()
	e.last = time.Now()
	e.mu.Unlock()
}

// silence waits until nothing was heard for so long, counted from now, or over
// is closed.
func (e *ear) silence(limit time.Duration, over <-chan struct{}) {
	e.touch()
	for {
		e.mu.Lock()
		rest := time.Until(e.last.Add(limit))
		e.mu.Unlock()
		if rest <= 0 {
			return
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-over:
			timer.Stop()
			return
		}
	}
}
