package event

import (
	"strings"
	"sync"
)

// Mask is what stands in place of a secret. Secrets that touch or overlap
// share one, so the mask says nothing about how many there were or how long.
const Mask = "***"

// minSecret is the shortest secret that is masked. A shorter one would turn up
// in everything, and masking it would give it away.
const minSecret = 4

// Redactor masks secrets in everything that leaves the process. It knows a
// secret as it is, line by line, and in the forms in which it usually travels:
// base64 at each of the three alignments, hexadecimal, URL-encoded,
// JSON-escaped and quoted for a shell. Not known: a form that something breaks
// up, such as base64 wrapped over lines, and forms nobody thought of.
//
// Secrets may be added at any time and are masked from then on, also in
// writers that are half way. All methods may be called concurrently.
type Redactor struct {
	mu sync.RWMutex
	// mu protects:
	m      matcher
	secret map[string]bool // everything that was ever added
	warn   func(message string)
}

// NewRedactor returns a Redactor that knows no secrets.
func NewRedactor() *Redactor { return &Redactor{} }

// Warn sets what is called, once for each secret that is too short or too
// ordinary to be masked, with a sentence that does not contain it. Without it
// such secrets are passed over in silence.
func (r *Redactor) Warn(f func(message string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn = f
}

// Add makes secrets known. Empty ones and those already known are ignored.
func (r *Redactor) Add(secrets ...string) {
	var warnings int
	r.mu.Lock()
	for _, s := range secrets {
		if s == "" || r.secret[s] {
			continue
		}
		if r.secret == nil {
			r.secret = map[string]bool{}
		}
		r.secret[s] = true
		if !r.learn(s) {
			warnings++
		}
	}
	warn := r.warn
	r.mu.Unlock()
	if warn == nil {
		return
	}
	for range warnings {
		warn("A sensitive value has fewer than 4 characters, or is true, false or null: output that contains it is not masked.")
	}
}

// learn adds a secret's forms and those of its lines. It reports false when
// nothing of it can be masked.
func (r *Redactor) learn(secret string) bool {
	parts := []string{secret, strings.TrimSpace(secret)}
	if strings.ContainsAny(secret, "\r\n") {
		for line := range strings.FieldsFuncSeq(secret, func(c rune) bool { return c == '\n' || c == '\r' }) {
			parts = append(parts, line, strings.TrimSpace(line))
		}
	}
	learned := false
	for _, part := range parts {
		if !maskable(part) {
			continue
		}
		learned = true
		for _, form := range forms(part) {
			r.m.add(form)
		}
	}
	return learned
}

func maskable(secret string) bool {
	switch strings.ToLower(secret) {
	case "true", "false", "null":
		return false
	}
	return len(secret) >= minSecret && strings.TrimSpace(secret) != ""
}

// String returns s with every secret masked.
func (r *Redactor) String(s string) string {
	masked, changed := r.apply([]byte(s))
	if !changed {
		return s
	}
	return string(masked)
}

// Bytes returns b with every secret masked: b itself when there was none,
// otherwise a new slice.
func (r *Redactor) Bytes(b []byte) []byte {
	masked, _ := r.apply(b)
	return masked
}

// apply masks a whole text.
func (r *Redactor) apply(b []byte) (masked []byte, changed bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.m.clean(b) {
		return b, false
	}
	var s scan
	masked = s.feed(&r.m, nil, b, true)
	return masked, s.masks > 0
}

// Knows reports whether there is anything to mask.
func (r *Redactor) Knows() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.m.empty()
}
