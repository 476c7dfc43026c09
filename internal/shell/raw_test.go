package shell

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// raw is what the perl and python servers do.
func raw(data []byte) (text []byte) {
	for _, c := range data {
		if strings.IndexByte("\x00\t\n\r\x11\x13\x1b=\xef", c) >= 0 {
			text = append(text, rawEscape, c^rawFlip)
		} else {
			text = append(text, c)
		}
	}
	return text
}

func TestRawTextIsUndoneWhereverItsLinesAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		text := raw(data)
		if bytes.ContainsRune(text, utf8.RuneError) && bytes.Contains(text, []byte("\uFFFD")) {
			t.Fatalf("%q has U+FFFD", text)
		}
		if i := rapid.IntRange(0, len(text)).Draw(t, "cut"); len(text) > 0 {
			text = append(text[:i:i], append([]byte("\n"), text[i:]...)...)
		}
		if got, err := decodeRaw(text); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("got %q, %v, want %q", got, err, data)
		}
	})
}

// A relay that passes ASCII only leaves base64 in use.
func TestRawIsUsedOnlyWhereTheSessionPassesBytes(t *testing.T) {
	data := string(noise(20_000))
	for _, server := range []string{"perl", "python3", "static"} {
		for name, h := range map[string]habits{"agent": agent, "ascii": {ascii: true}} {
			t.Run(server+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := boot(t, []string{"dash"}, h, Options{Servers: []string{server}})
				if out, _, res := r.run(t, catStdin(data)); out != data || !res.Verified() {
					t.Errorf("got %d bytes, %+v", len(out), res)
				}
				if r.serving().eight == h.ascii {
					t.Errorf("raw: got %v, want %v", r.serving().eight, !h.ascii)
				}
			})
		}
	}
}
