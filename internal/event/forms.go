package event

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// forms lists a secret and the encodings of it that are masked as well. Forms
// shorter than minSecret are left out; duplicates may occur.
func forms(secret string) []string {
	all := []string{secret}
	all = append(all, base64Forms(secret)...)
	lower := hex.EncodeToString([]byte(secret))
	all = append(all, lower, strings.ToUpper(lower))
	all = append(all, urlForms(secret)...)
	all = append(all, jsonForms(secret)...)
	// As quoted for a shell, between the outer quotes.
	all = append(all, strings.ReplaceAll(secret, `'`, `'\''`), strings.ReplaceAll(secret, `'`, `'"'"'`))
	// A terminal in the way turns line feeds into CR LF.
	all = append(all, strings.ReplaceAll(strings.ReplaceAll(secret, "\r\n", "\n"), "\n", "\r\n"))

	kept := all[:0]
	for _, f := range all {
		if len(f) >= minSecret {
			kept = append(kept, f)
		}
	}
	return kept
}

// base64Forms has the whole encoding, with and without padding, and what stays
// the same of it when 0, 1 or 2 bytes (modulo 3) stand before the secret and
// anything after it: the characters that hold bits of the secret alone.
func base64Forms(secret string) []string {
	var all []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		padded := enc.EncodeToString([]byte(secret))
		all = append(all, padded, strings.TrimRight(padded, "="))
		for before := range 3 {
			whole := enc.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
			from := (before*8 + 5) / 6
			to := (before + len(secret)) * 8 / 6
			all = append(all, whole[from:to])
		}
	}
	return all
}

// urlForms has the secret as query and path components, percent signs in both
// cases, and with everything but letters and digits encoded.
func urlForms(secret string) []string {
	var strict strings.Builder
	for _, b := range []byte(secret) {
		if b < utf8.RuneSelf && (b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z') {
			strict.WriteByte(b)
		} else {
			fmt.Fprintf(&strict, "%%%02X", b)
		}
	}
	query := url.QueryEscape(secret)
	all := []string{query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(secret), strict.String()}
	for _, f := range all[:len(all):len(all)] {
		all = append(all, lowerPercent(f))
	}
	return all
}

// lowerPercent turns %2F into %2f.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// jsonForms has the secret as the inside of a JSON string: as Go writes it
// with and without HTML escapes, with escaped slashes, and in ASCII only.
func jsonForms(secret string) []string {
	html, err := json.Marshal(secret)
	if err != nil {
		return nil
	}
	plain, err := marshal(secret)
	if err != nil {
		return nil
	}
	inside := func(b []byte) string { return string(b[1 : len(b)-1]) }
	return []string{
		inside(html), inside(plain),
		strings.ReplaceAll(inside(plain), "/", `\/`),
		asciiJSON(inside(plain)), asciiJSON(strings.ReplaceAll(inside(plain), "/", `\/`)),
	}
}

// asciiJSON escapes what is not ASCII, as Python's json.dumps does.
func asciiJSON(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(c)
		case c > 0xFFFF:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
