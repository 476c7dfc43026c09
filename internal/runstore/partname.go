package runstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxPart is how long one part of a path may be, with room for the number and
// the suffixes that are added: file systems take 255 bytes.
const maxPart = 200

// partName turns any text into the name of a file or directory: different
// texts get different names, and none of them leaves its directory.
func partName(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		dot := c == '.' && (i == 0 || i == len(text)-1) // ., .., hidden files, and Windows drops a last dot
		if plainByte(c) && !dot {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	switch {
	case name == "":
		return "%"
	case len(name) > maxPart:
		sum := sha256.Sum256([]byte(text))
		return name[:maxPart-33] + "~" + hex.EncodeToString(sum[:16])
	case isDevice(name):
		return fmt.Sprintf("%%%02X", name[0]) + name[1:]
	}
	return name
}

func plainByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("_-.,+@=", c) >= 0
}

// isDevice reports names that Windows takes for devices, with any extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && base[3] >= '0' && base[3] <= '9'
}
