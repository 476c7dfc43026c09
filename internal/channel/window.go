package channel

import "time"

// sendWindow holds the messages that were numbered and not yet acknowledged,
// in order. The zero value is ready; it knows nothing of time but what it is
// told.
//
// Behind the last message that was sent there may be some that were not:
// those queued while nobody could be sent anything, and all of them after the
// connection was replaced.
type sendWindow struct {
	first   int64 // sequence number of entries[0]
	entries []outgoing
	unacked int // entries without a frame do not count
	sent    int // entries[:sent] were sent on the present connection
}

type outgoing struct {
	frame  []byte // nil: acknowledged
	sentAt time.Time
	sends  int // over all connections
}

// next is the sequence number that the next message must have.
func (w *sendWindow) next() int64 { return w.first + int64(len(w.entries)) }

// push adds the message numbered next, as not sent.
func (w *sendWindow) push(frame []byte) {
	w.entries = append(w.entries, outgoing{frame: frame})
	w.unacked++
}

// hasUnsent reports whether something waits to be sent.
func (w *sendWindow) hasUnsent() bool { return w.sent < len(w.entries) }

// held reports whether the oldest message had to be sent again.
func (w *sendWindow) held() bool { return len(w.entries) > 0 && w.entries[0].sends > 1 }

// takeUnsent appends at most n frames that wait to be sent and counts them as
// sent now. resent is how many of them had been sent before.
func (w *sendWindow) takeUnsent(now time.Time, n int, frames [][]byte) (_ [][]byte, resent int) {
	for ; w.sent < len(w.entries) && n > 0; w.sent++ {
		e := &w.entries[w.sent]
		if e.frame == nil {
			continue
		}
		if e.sends > 0 {
			resent++
		}
		e.sends, e.sentAt = e.sends+1, now
		frames = append(frames, e.frame)
		n--
	}
	return frames, resent
}

// unsend counts everything as not sent: the connection was replaced, and what
// was under way on the old one may never have arrived.
func (w *sendWindow) unsend() { w.sent = 0 }

// acknowledge removes a message. It reports whether the message was waiting
// for it, and the round-trip time if the message tells one: a message that was
// sent twice does not say which time is being answered.
func (w *sendWindow) acknowledge(sequence int64, now time.Time) (rtt time.Duration, clean, ok bool) {
	i := sequence - w.first
	if i < 0 || i >= int64(len(w.entries)) || w.entries[i].frame == nil {
		return 0, false, false
	}
	e := &w.entries[i]
	rtt, clean = now.Sub(e.sentAt), e.sends == 1
	e.frame = nil
	w.unacked--
	w.trim()
	return rtt, clean, true
}

// trim drops the acknowledged messages at the front.
func (w *sendWindow) trim() {
	n := 0
	for n < len(w.entries) && w.entries[n].frame == nil {
		n++
	}
	w.first += int64(n)
	w.sent = max(0, w.sent-n)
	switch rest := w.entries[n:]; {
	case len(rest) > 0:
		// The array moves on with the slice; append copies what is left to a
		// new one when it is used up.
		w.entries = rest
	case cap(w.entries) > 64:
		w.entries = nil // an idle session keeps little
	default:
		w.entries = w.entries[:0]
	}
}

// overdue appends those of the oldest n sent messages that wait longer than
// rto, and counts them as sent again now.
func (w *sendWindow) overdue(now time.Time, rto time.Duration, n int, frames [][]byte) [][]byte {
	for i := 0; i < w.sent && n > 0; i++ {
		e := &w.entries[i]
		if e.frame == nil {
			continue
		}
		n--
		if now.Sub(e.sentAt) >= rto {
			e.sends, e.sentAt = e.sends+1, now
			frames = append(frames, e.frame)
		}
	}
	return frames
}

// oldest is the earliest time at which one of the oldest n sent messages was
// sent; ok is false when none waits.
func (w *sendWindow) oldest(n int) (at time.Time, ok bool) {
	for i := 0; i < w.sent && n > 0; i++ {
		e := &w.entries[i]
		if e.frame == nil {
			continue
		}
		n--
		if !ok || e.sentAt.Before(at) {
			at, ok = e.sentAt, true
		}
	}
	return at, ok
}
