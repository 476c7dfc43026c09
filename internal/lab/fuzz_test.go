package lab

import (
	"strings"
	"testing"
)

func FuzzSplitShlex(f *testing.F) {
	for _, seed := range []string{"", "a b", `echo "a b" 'c;d' e\ f # comment`, `"unclosed`, `a\`, "a#b #c\nd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitShlex(s)
		if err != nil {
			return
		}
		var line strings.Builder
		for _, w := range words {
			line.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "' ")
		}
		again, err := splitShlex(line.String())
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Errorf("%q gave %q, which quoted again gives %q, %v", s, words, again, err)
		}
	})
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20240131/r/s/aws4_request, SignedHeaders=host, Signature=00", "20240131T000000Z")
	f.Add("AWS4-HMAC-SHA256", "")
	f.Fuzz(func(t *testing.T, header, stamp string) {
		sig, refusal := parseAuthorization(header)
		if (sig == nil) == (refusal == nil) {
			t.Fatalf("%q gave %v and %v", header, sig, refusal)
		}
		if sig != nil {
			checkDate(stamp, sig.date, documentsMade)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	_, _, next, _ := page(nil, "q", 20, 10)
	f.Add(next)
	f.Fuzz(func(t *testing.T, token string) {
		from, to, _, ok := page(&token, "q", 20, 10)
		if ok && (from < 0 || from > to || to > 20) {
			t.Errorf("%q gave %d to %d", token, from, to)
		}
	})
}
