package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// FuzzParseRecord: what is read can be written and read again. A record is a
// tree of Go values, of which an element of three characters can be a struct of
// some 200 bytes, in a slice that grows; records are our own, and as large as
// what they tell of.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"@level":"info","@message":"m","@module":"ssmrun","@timestamp":"2026-01-02T15:04:05Z","type":"x","run_id":"r","seq":1,"a":{"b":"c\\"}}`))
	f.Add([]byte(`{"@timestamp":"2026-01-02T15:04:05Z","type":"step_start","extra" : [1, 2]}`))
	for name := range decoders {
		f.Add([]byte(`{"@timestamp":"2026-01-02T15:04:05Z","type":"` + name + `","targets":[{}` + strings.Repeat(",{}", 1<<10) + `]}`))
	}
	f.Add([]byte(`{"@timestamp":"2026-01-02T15:04:05Z","type":"x","a":` + strings.Repeat("[", 8<<10)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var rec Record
		var err error
		bounds.Check(t, 512<<10+256*len(data), func() { rec, err = ParseRecord(data) })
		if err != nil {
			return
		}
		b, err := rec.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", data, err)
		}
		if !json.Valid(b) {
			t.Fatalf("%q came out as %q, which is no JSON", data, b)
		}
		if _, err := ParseRecord(b); err != nil {
			t.Fatalf("%q came out as %q, which cannot be read: %v", data, b, err)
		}
	})
}

// FuzzRedactor: a text in three pieces comes out as the whole does, and no
// secret is left in it.
func FuzzRedactor(f *testing.F) {
	f.Add("hunter22", "aaaa", []byte("x hunter22 aaaaaaa aHVudGVyMjI="), uint16(4), uint16(9))
	f.Add("a\nbcdef\n", "cdefabcd", []byte("abcdefabcdef\\nbcdef%0Abcdef"), uint16(3), uint16(3))
	f.Add("\xff\xfe\xfd\xfc", "\x00\x00\x00\x00", []byte("\x00\x00\x00\x00\x00\xff\xfe\xfd\xfc"), uint16(2), uint16(1))
	f.Fuzz(func(t *testing.T, one, two string, text []byte, first, second uint16) {
		if len(one)+len(two) > 64 {
			return // what secrets cost is their owner's
		}
		r := NewRedactor()
		r.Add(one, two)
		i := min(int(first), len(text))
		j := min(i+int(second), len(text))
		var whole, pieces []byte
		bounds.Check(t, 16<<10+bounds.Wire(2*len(text))+8*(len(one)+len(two)), func() { whole = r.Bytes(text) })
		bounds.Check(t, 16<<10+bounds.Wire(4*len(text))+64*(len(one)+len(two)), func() {
			var b bytes.Buffer
			w := r.Writer(&b)
			for _, piece := range [][]byte{text[:i], text[i:j], text[j:]} {
				w.Write(piece)
			}
			w.Close()
			pieces = b.Bytes()
		})
		if !bytes.Equal(whole, pieces) {
			t.Fatalf("%q is %q as a whole, and %q cut at %d and %d", text, whole, pieces, i, j)
		}
		for _, secret := range []string{one, two} {
			if maskable(secret) && !strings.Contains(secret, "*") && bytes.Contains(whole, []byte(secret)) {
				t.Fatalf("%q is left in %q", secret, whole)
			}
		}
	})
}
