package plan

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However a stream is cut into writes, what is found in it is what is in the
// whole of it.
func TestWatchersSeeTheWholeStream(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		alphabet := rapid.SampledFrom([]byte("ab\n\xff"))
		stream := rapid.SliceOfN(alphabet, 0, 60).Draw(rt, "stream")
		wanted := rapid.SliceOfN(rapid.StringMatching(`[ab\n]{0,5}`), 1, 3).Draw(rt, "wanted")
		equal := string(stream)
		if rapid.Bool().Draw(rt, "different") {
			equal = rapid.StringMatching(`[ab\n]{0,60}`).Draw(rt, "equal")
		}
		contains, equals := newContainsWatcher(wanted), newEqualsWatcher(equal)
		r := Recording{limit: 16, watching: map[any]watcher{1: contains, 2: equals}}
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "n")
			r.Write(rest[:n])
			rest = rest[n:]
		}
		for i, text := range wanted {
			if got, want := contains.found[i], bytes.Contains(stream, []byte(text)); got != want {
				rt.Fatalf("%q in %q: %v, want %v", text, stream, got, want)
			}
		}
		if got, want := equals.equal(), equal == string(stream); got != want {
			rt.Fatalf("%q equals %q: %v, want %v", stream, equal, got, want)
		}
		lines := int64(len(strings.Split(strings.TrimSuffix(string(stream), "\n"), "\n")))
		if len(stream) == 0 {
			lines = 0
		}
		if r.lines() != lines || r.Bytes() != int64(len(stream)) {
			rt.Fatalf("%q: %d lines of %d bytes, want %d of %d", stream, r.lines(), r.Bytes(), lines, len(stream))
		}
		if !bytes.HasPrefix(stream, r.kept) || !bytes.HasSuffix(stream, r.tail) {
			rt.Fatalf("%q: kept %q and %q", stream, r.kept, r.tail)
		}
	})
}
