package plan

import (
	"bytes"
	"unicode/utf8"
)

// What a Recording keeps of a stream. What is never needed as a whole costs
// headLimit and tailLimit only, however long it is.
const (
	headLimit  = 4 << 10  // always, to show
	tailLimit  = 1 << 10  // always, to show the end of what is longer
	testLimit  = 64 << 10 // where the stream is compared, to show what was wrong
	textLimit  = 1 << 20  // where expressions name self.stdout or self.stderr
	wholeLimit = 8 << 20  // where matches, json or stdout_base64 read the stream
)

// Recording is what Judge reads of one stream of an attempt. It is an
// io.Writer with bounded memory that never fails. It is for one writer, and
// for Judge when that writer has ended. The zero value keeps as much as
// expressions can name, and compares nothing as it goes by.
type Recording struct {
	bytes    int64
	newlines int64
	last     byte   // of the stream
	kept     []byte // its beginning, up to limit
	tail     []byte // its end, when it is longer
	limit    int    // 0: textLimit
	watching map[any]watcher
}

// watcher compares a stream with something while it goes by.
type watcher interface {
	watch(p []byte)
}

// Write takes the next bytes of the stream. It keeps no reference to p and
// never returns an error.
func (r *Recording) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.bytes += int64(len(p))
	r.newlines += int64(bytes.Count(p, []byte{'\n'}))
	r.last = p[len(p)-1]
	for _, w := range r.watching {
		w.watch(p)
	}
	rest := p
	if room := r.bound() - len(r.kept); room > 0 {
		n := min(room, len(p))
		r.kept = append(r.kept, p[:n]...)
		rest = p[n:]
	}
	if len(rest) > 0 {
		r.tail = append(r.tail, rest[max(0, len(rest)-tailLimit):]...)
		if over := len(r.tail) - tailLimit; over > 0 {
			r.tail = append(r.tail[:0], r.tail[over:]...)
		}
	}
	return len(p), nil
}

// Bytes returns how many bytes were written, kept or not.
func (r *Recording) Bytes() int64 {
	if r == nil {
		return 0
	}
	return r.bytes
}

func (r *Recording) bound() int {
	if r.limit > 0 {
		return r.limit
	}
	return textLimit
}

// whole reports whether every byte was kept.
func (r *Recording) whole() bool { return r.bytes == int64(len(r.kept)) }

// text returns the stream as text, and false when it is longer than textLimit
// or not UTF-8.
func (r *Recording) text() (string, bool) {
	if !r.whole() || r.bytes > textLimit || !utf8.Valid(r.kept) {
		return "", false
	}
	return string(r.kept), true
}

// lines returns how many lines were written; a last one without a newline
// counts.
func (r *Recording) lines() int64 {
	if r.bytes > 0 && r.last != '\n' {
		return r.newlines + 1
	}
	return r.newlines
}

// containsWatcher looks for texts, also those that are split over writes.
type containsWatcher struct {
	wanted []string
	found  []bool
	carry  []byte // the end of what went by, shorter than the longest text
}

func newContainsWatcher(wanted []string) *containsWatcher {
	w := &containsWatcher{wanted: wanted, found: make([]bool, len(wanted))}
	for i, text := range wanted {
		w.found[i] = text == ""
	}
	return w
}

func (w *containsWatcher) watch(p []byte) {
	longest, open := 0, false
	for i, text := range w.wanted {
		longest = max(longest, len(text))
		open = open || !w.found[i]
	}
	if !open {
		return
	}
	// Only a text that begins in carry needs the two joined.
	joined := append(w.carry, p[:min(len(p), max(longest-1, 0))]...)
	for i, text := range w.wanted {
		w.found[i] = w.found[i] || bytes.Contains(joined, []byte(text)) || bytes.Contains(p, []byte(text))
	}
	if len(p) >= longest {
		joined = p
	} else {
		joined = append(w.carry, p...)
	}
	keep := min(len(joined), max(longest-1, 0))
	w.carry = append([]byte(nil), joined[len(joined)-keep:]...)
}

// equalsWatcher compares a stream with one text.
type equalsWatcher struct {
	wanted  string
	seen    int64
	differs int64 // offset of the first difference; -1: none so far
}

func newEqualsWatcher(wanted string) *equalsWatcher {
	return &equalsWatcher{wanted: wanted, differs: -1}
}

func (w *equalsWatcher) watch(p []byte) {
	if w.differs < 0 {
		rest := w.wanted[min(w.seen, int64(len(w.wanted))):]
		n := min(len(rest), len(p))
		for i := range n {
			if rest[i] != p[i] {
				w.differs = w.seen + int64(i)
				break
			}
		}
		if w.differs < 0 && len(p) > n {
			w.differs = w.seen + int64(n)
		}
	}
	w.seen += int64(len(p))
}

// equal reports whether the stream was the text, all of it.
func (w *equalsWatcher) equal() bool { return w.differs < 0 && w.seen == int64(len(w.wanted)) }
