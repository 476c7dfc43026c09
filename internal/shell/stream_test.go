package shell

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// send frames data as a server does, and gives the lines.
func framed(data []byte, cuts []int) (lines []string) {
	var sum uint32
	var length, seq int
	for _, n := range append(cuts, len(data)) {
		n = min(n, len(data))
		if n == 0 {
			continue
		}
		c := crc32.ChecksumIEEE(data[:n])
		lines = append(lines, fmt.Sprintf("O 1 %d b %d r%08x %s", seq, n, c, base64.StdEncoding.EncodeToString(data[:n])))
		sum = fold(sum, c)
		length += n
		seq++
		data = data[n:]
	}
	return append(lines, fmt.Sprintf("T 1 O %d %d %d", seq, length, sum), "T 1 E 0 0 0", "X 1 0 0 1 5 0 0 0")
}

func received(lines []string, marker string) (string, Result, bool) {
	var out bytes.Buffer
	r := &run{number: "1", began: make(chan struct{}), end: make(chan ending, 1), alive: make(chan struct{}, 1), exited: make(chan struct{}, 1)}
	r.streams = [2]*stream{{out: &out}, {}}
	if marker != "" {
		r.streams[0].marker = []byte(marker)
	}
	for _, l := range lines {
		r.message(parseMessage([]byte(l)))
	}
	r.settle()
	select {
	case e := <-r.end:
		return out.String(), e.result, true
	default:
		return out.String(), Result{}, false
	}
}

func TestAnyDamageToAStreamIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data")
		cuts := rapid.SliceOfN(rapid.IntRange(1, 60), 0, 10).Draw(t, "cuts")
		lines := framed(data, cuts)
		if out, res, ok := received(lines, ""); !ok || out != string(data) || !res.Stdout.Verified {
			t.Fatalf("undamaged: %q %+v", out, res)
		}
		i := rapid.IntRange(0, len(lines)-4).Draw(t, "frame")
		damaged := append([]string(nil), lines...)
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			damaged = append(damaged[:i], damaged[i+1:]...)
		case 1:
			damaged = append(damaged[:i+1], damaged[i:]...)
		case 2:
			b := []byte(damaged[i])
			b[len(b)-rapid.IntRange(3, 4).Draw(t, "at")] ^= 2
			damaged[i] = string(b)
		case 3:
			damaged[i] = damaged[i][:len(damaged[i])-rapid.IntRange(1, 5).Draw(t, "cut")]
		}
		if _, res, ok := received(damaged, ""); ok && res.Stdout.Verified {
			t.Fatalf("damage was not seen:\n%s", strings.Join(damaged, "\n"))
		}
	})
}

// The sh server sums the bytes of a short step itself.
func TestDamageToASmallFrameIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(rapid.StringN(1, 60, -1).Draw(t, "data"))
		frame := func(b []byte) []string {
			words := make([]string, len(b))
			for i, c := range b {
				words[i] = strconv.Itoa(int(c))
			}
			sum := fnv1a(data)
			return []string{fmt.Sprintf("O 1 0 d %d f%d %s", len(data), sum, strings.Join(words, "_")),
				fmt.Sprintf("T 1 O 1 %d %d", len(data), sum), "T 1 E 0 0 0", "X 1 0 0 1 5 0 0 0"}
		}
		if out, res, ok := received(frame(data), ""); !ok || out != string(data) || !res.Stdout.Verified {
			t.Fatalf("undamaged: %q %+v", out, res)
		}
		damaged := bytes.Clone(data)
		i := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		if rapid.Bool().Draw(t, "cut") {
			damaged = append(damaged[:i], damaged[i+1:]...)
		} else {
			damaged[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		}
		if _, res, ok := received(frame(damaged), ""); ok && res.Stdout.Verified {
			t.Fatalf("damage was not seen: %q for %q", damaged, data)
		}
	})
}

func TestStreamEndsAtItsMarker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const marker = "abcabd"
		body := rapid.StringMatching(`[abcdx]{0,40}`).Draw(t, "body")
		want := body
		if i := strings.Index(body+marker, marker); i < len(body) {
			want = body[:i]
		}
		cuts := rapid.SliceOfN(rapid.IntRange(1, 9), 0, 20).Draw(t, "cuts")
		out, res, ok := received(framed([]byte(body+marker+marker+"late"), cuts), marker)
		if !ok || out != want || !res.Stdout.Verified || res.Stdout.Bytes != int64(len(want)) {
			t.Fatalf("got %q %+v, want %q", out, res, want)
		}
	})
}

func TestMarkerPatternsAreInTheEncodingWhereverTheMarkerIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marker := randomID(12)
		text := rapid.StringN(0, 20, 40).Draw(t, "before") + marker + rapid.StringN(0, 20, 40).Draw(t, "after")
		enc := base64.StdEncoding.EncodeToString([]byte(text))
		for _, p := range markerPatterns(marker, "b") {
			if strings.Contains(enc, p) {
				return
			}
		}
		t.Fatalf("none found in %q", enc)
	})
}

func TestCksumIsThatOfPOSIX(t *testing.T) {
	// Results of the cksum utility.
	for text, want := range map[string]uint32{"": 4294967295, "a\n": 2418082923, "123456789": 930766865} {
		if got := cksum([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestLinesAreCutWhereverTheOutputIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([ab]{0,5}\r{0,2}\n){0,8}`).Draw(t, "text")
		var l lines
		var got []string
		for rest := []byte(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			l.feed(rest[:n], func(b []byte) { got = append(got, string(b)) })
			rest = rest[n:]
		}
		var want []string
		for line := range strings.Lines(text) {
			want = append(want, strings.TrimRight(line, "\r\n"))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
