package lab

import "github.com/ssmrun/ssmrun/internal/hclspec"

// tally counts what passes towards a fault's trigger.
type tally struct {
	when     hclspec.Trigger
	messages int
	bytes    int64
	over     bool // it struck, and does not again
}

// count counts one message and reports whether the fault strikes with it.
func (t *tally) count(size int) bool {
	before := t.bytes
	t.messages++
	t.bytes += int64(size)
	switch {
	case t.over:
		return false
	case t.when.Messages > 0 && t.messages%t.when.Messages == 0:
	case t.when.Bytes > 0 && before/t.when.Bytes != t.bytes/t.when.Bytes:
	default:
		return false
	}
	t.over = !t.when.Repeats
	return true
}

// timed reports whether the fault is to strike by the clock, and has not done so
// for good.
func (t *tally) timed() bool { return t.when.Time > 0 && !t.over }

// struck notes that the clock made the fault strike, and reports whether it was
// still to.
func (t *tally) struck() bool {
	if t.over {
		return false
	}
	t.over = !t.when.Repeats
	return true
}
