package runstore

import (
	"container/list"
	"errors"
	"sync"
)

// maxOpen is how many output files of a run are open at once: thousands of
// sessions may be writing, and each has a socket besides. The file that was
// written longest ago gives way, and is opened again when it is written again.
const maxOpen = 256

// openFiles knows which streams have a file open.
type openFiles struct {
	mu sync.Mutex
	// mu protects:
	order *list.List // of *Stream, the one used last in front
	place map[*Stream]*list.Element
	limit int
}

func newOpenFiles() *openFiles {
	return &openFiles{order: list.New(), place: map[*Stream]*list.Element{}, limit: maxOpen}
}

// used notes that s, whose lock the caller holds, has a file open and uses it.
// It may close another stream's. One whose lock is taken is being written, and
// is not the one to close.
func (o *openFiles) used(s *Stream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.place[s]; ok {
		o.order.MoveToFront(e)
		return
	}
	o.place[s] = o.order.PushFront(s)
	for e := o.order.Back(); e != nil && o.order.Len() > o.limit; {
		victim, before := e.Value.(*Stream), e.Prev()
		if victim != s && victim.mu.TryLock() {
			o.order.Remove(e)
			delete(o.place, victim)
			victim.release()
			victim.mu.Unlock()
		}
		e = before
	}
}

func (o *openFiles) forget(s *Stream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.place[s]; ok {
		o.order.Remove(e)
		delete(o.place, s)
	}
}

// closeAll closes what is still open when the run is closed.
func (o *openFiles) closeAll() error {
	o.mu.Lock()
	var open []*Stream
	for e := o.order.Front(); e != nil; e = e.Next() {
		open = append(open, e.Value.(*Stream))
	}
	o.mu.Unlock()
	var err error
	for _, s := range open {
		err = errors.Join(err, s.Close())
	}
	return err
}
