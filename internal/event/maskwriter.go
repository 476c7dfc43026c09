package event

import (
	"io"
	"sync"
)

// MaskWriter masks secrets in what is written through it, also secrets that
// are split over writes. It holds back only bytes that may be the beginning of
// a secret; Close lets them go. It does not close what it writes to.
type MaskWriter struct {
	r *Redactor
	w io.Writer

	mu sync.Mutex
	// mu protects:
	s   scan
	out []byte
	err error
}

// Writer returns a MaskWriter on w.
func (r *Redactor) Writer(w io.Writer) *MaskWriter { return &MaskWriter{r: r, w: w} }

// Write masks and passes on p. It returns len(p) or the error of the writer
// below, which it then returns for ever: bytes after a lost piece are no use.
func (w *MaskWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if out := w.mask(p, false); len(out) > 0 {
		if _, w.err = w.w.Write(out); w.err != nil {
			return 0, w.err
		}
	}
	return len(p), nil
}

// Close writes what was held back.
func (w *MaskWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if out := w.mask(nil, true); len(out) > 0 {
		_, w.err = w.w.Write(out)
	}
	return w.err
}

// Masked reports whether anything was masked so far.
func (w *MaskWriter) Masked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.s.masks > 0
}

// mask returns what may be written now: p itself when nothing in it concerns a
// secret.
func (w *MaskWriter) mask(p []byte, last bool) []byte {
	w.r.mu.RLock()
	defer w.r.mu.RUnlock()
	if len(w.s.carry) == 0 && w.r.m.clean(p) {
		if len(p) > 0 {
			w.s.inMask = false
		}
		return p
	}
	w.out = w.s.feed(&w.r.m, w.out[:0], p, last)
	return w.out
}
