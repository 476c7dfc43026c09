package shell

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// markerPatterns is how the marker looks in encoded output, wherever it begins:
// the framers of the sh server look for it without decoding.
func markerPatterns(marker, enc string) []string {
	if enc == "h" {
		var b strings.Builder
		for i, c := range []byte(marker) {
			if i > 0 {
				b.WriteByte('_')
			}
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
		return []string{b.String(), b.String(), b.String()}
	}
	patterns := make([]string, 3)
	for i := range patterns {
		n := (len(marker) - i) / 3 * 3
		patterns[i] = base64.StdEncoding.EncodeToString([]byte(marker[i : i+n]))
	}
	return patterns
}

// markerPrefix returns how many bytes at the end of b begin the marker.
func markerPrefix(b, marker []byte) int {
	for n := min(len(b), len(marker)-1); n > 0; n-- {
		if bytes.HasPrefix(marker, b[len(b)-n:]) {
			return n
		}
	}
	return 0
}
