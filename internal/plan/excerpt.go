package plan

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// excerptLimit is how much of a stream a message shows: what fits two lines of
// a terminal.
const excerptLimit = 160

// end shows a stream, and of a long one its end, where complaints are.
func (r *Recording) end() string {
	if r.bytes == 0 {
		return "no output"
	}
	if r.whole() && len(r.kept) <= excerptLimit {
		return strconv.Quote(string(r.kept))
	}
	last := r.kept
	if !r.whole() {
		last = append(append([]byte(nil), r.kept...), r.tail...)
	}
	last = last[max(0, len(last)-excerptLimit):]
	return fmt.Sprintf("%s (%s)", quoteCut(last, true, false), plural(r.bytes, "byte"))
}

// around shows what is at an offset of the kept bytes, or the end when the
// offset is not among them.
func (r *Recording) around(at int) string {
	if at < 0 || at >= len(r.kept) {
		return r.end()
	}
	from, to := max(0, at-excerptLimit/3), min(len(r.kept), at+excerptLimit*2/3)
	return quoteCut(r.kept[from:to], from > 0, int64(to) < r.bytes)
}

// difference shows a stream where it begins to differ from what was wanted.
func (r *Recording) difference(w *equalsWatcher) string {
	if r.bytes == 0 {
		return "no output"
	}
	if r.bytes <= excerptLimit && r.whole() {
		return strconv.Quote(string(r.kept)) + finalNewline(string(r.kept), w.wanted)
	}
	at := w.differs
	if at < 0 {
		at = w.seen // it ended too early
	}
	if at >= int64(len(r.kept)) && !r.whole() {
		return fmt.Sprintf("%s, different from byte %d on", plural(r.bytes, "byte"), at+1)
	}
	before := r.kept[:min(at, int64(len(r.kept)))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("%s, different from line %d, column %d on", r.around(max(0, min(int(at), len(r.kept)-1))), line, column)
}

// finalNewline says when nothing but a newline at the end is different: the
// most common surprise.
func finalNewline(got, wanted string) string {
	if strings.TrimRight(got, "\r\n") == strings.TrimRight(wanted, "\r\n") {
		return " (only the end of the last line is different)"
	}
	return ""
}

// quoteCut quotes bytes and shows where they were cut.
func quoteCut(b []byte, before, after bool) string {
	if before {
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.RuneStart(b[0]); i++ {
			b = b[1:]
		}
	}
	quoted := strconv.Quote(string(b))
	if before {
		quoted = `"…` + quoted[1:]
	}
	if after {
		quoted = quoted[:len(quoted)-1] + `…"`
	}
	return quoted
}
