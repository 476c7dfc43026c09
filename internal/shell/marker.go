package shell

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
)

// markerPatterns is how the marker looks in encoded output, wherever it begins:
// the framers of the sh server look for it without decoding.
func markerPatterns(marker, enc string) []string {
	if enc == "h" {
		p := joinedBytes(marker, 16)
		return []string{p, p, p}
	}
	patterns := make([]string, 3)
	for i := range patterns {
		n := (len(marker) - i) / 3 * 3
		patterns[i] = base64.StdEncoding.EncodeToString([]byte(marker[i : i+n]))
	}
	return patterns
}

// joinedBytes is text as od has it, its words joined by underscores. A marker
// has no byte below 16, so its hexadecimal words have two digits.
func joinedBytes(text string, base int) string {
	words := make([]string, len(text))
	for i := range words {
		words[i] = strconv.FormatInt(int64(text[i]), base)
	}
	return strings.Join(words, "_")
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
