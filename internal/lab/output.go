package lab

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// textFilter is the agent's UTF-8 decoder (amazon-ssm-agent,
// agent/session/shell/shell.go, processStdoutData). Text passes; of other bytes
// clients must expect that a genuine U+FFFD (EF BF BD) arrives as the one byte
// EF, and that up to three bytes at the end of a read that are not whole
// characters wait for the next read, which may never come.
type textFilter struct{ held []byte }

// pass returns what the agent sends for a read of p. The result is valid until
// the next call.
func (f *textFilter) pass(p []byte) []byte {
	if len(f.held) == 0 && utf8.Valid(p) && !bytes.Contains(p, []byte("\uFFFD")) {
		return p
	}
	in := append(f.held, p...)
	out := make([]byte, 0, len(in))
	i := 0
	for i < len(in) {
		r, size := utf8.DecodeRune(in[i:])
		if r != utf8.RuneError {
			out = append(out, in[i:i+size]...)
		} else if len(in)-i < utf8.UTFMax {
			break
		} else {
			out = append(out, in[i])
		}
		i += size
	}
	f.held = append([]byte(nil), in[i:]...)
	return out
}

// stream sends what a process writes, one message a read, with the habits of
// the node's agent.
type stream struct {
	s       *session
	payload channel.PayloadType
	prefix  string        // put before a read that begins a line
	pacing  time.Duration // after each message
	filter  textFilter
}

// copy sends r until its end, the end of the session, or an error of the
// channel.
func (st *stream) copy(r io.Reader) error {
	size := st.s.node.agent.MaxPayload - len(st.prefix)
	if st.bulk() {
		size *= bulkMessages
	}
	buf := make([]byte, max(size, 1))
	atLineStart := true
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if atLineStart && st.prefix != "" {
				st.filter.held = append(st.filter.held, st.prefix...)
			}
			atLineStart = buf[n-1] == '\n'
			if err := st.send(buf[:n]); err != nil {
				return err
			}
			if st.pacing > 0 && !st.s.sleep(st.pacing) {
				return st.s.ctx.Err()
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// bulkMessages is how many messages are read at a time when nothing is to happen
// between them. The bytes and their messages are those of an agent; it is only
// that it can send faster than a client receives.
const bulkMessages = 64

// bulk reports whether many messages can be read at a time.
func (st *stream) bulk() bool { return st.pacing == 0 && st.prefix == "" }

func (st *stream) send(p []byte) error {
	if st.s.node.agent.UTF8 {
		p = st.filter.pass(p)
	}
	switch {
	case len(p) == 0:
		return nil
	case st.bulk():
		return st.s.agent.SendAll(st.payload, p, st.s.node.agent.MaxPayload)
	}
	if err := st.s.agent.Send(st.payload, p); err != nil {
		return err
	}
	if wait := st.s.spent.add(len(p), st.s.node.agent.OutputRate); wait > 0 && !st.s.sleep(wait) {
		return st.s.ctx.Err()
	}
	return nil
}

// meter holds a session's output to a rate.
type meter struct {
	mu  sync.Mutex
	due time.Time // guarded by mu: when what was sent so far is paid for
}

// What a meter evens out: a timer is not more exact than this, and what was not
// sent in time is made up for.
const (
	meterGrain = 2 * time.Millisecond
	meterCarry = 100 * time.Millisecond
)

// add counts n bytes and returns how long to wait before more.
func (m *meter) add(n, rate int) time.Duration {
	if rate <= 0 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if least := now.Add(-meterCarry); m.due.Before(least) {
		m.due = least
	}
	m.due = m.due.Add(time.Duration(n) * time.Second / time.Duration(rate))
	if wait := m.due.Sub(now); wait >= meterGrain {
		return wait
	}
	return 0
}
