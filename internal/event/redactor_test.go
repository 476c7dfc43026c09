package event

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// redactByHand masks every byte that belongs to any pattern, the slow way.
func redactByHand(patterns []string, text []byte) []byte {
	masked := make([]bool, len(text))
	for i := range text {
		for _, p := range patterns {
			if bytes.HasPrefix(text[i:], []byte(p)) {
				for k := range len(p) {
					masked[i+k] = true
				}
			}
		}
	}
	var out []byte
	for i, b := range text {
		if !masked[i] {
			out = append(out, b)
		} else if i == 0 || !masked[i-1] {
			out = append(out, Mask...)
		}
	}
	return out
}

// Few letters make secrets that overlap, repeat and begin like one another.
func secretGen() *rapid.Generator[string] {
	return rapid.StringMatching(`[ab\n'"/ é]{4,9}`).Filter(maskable)
}

func TestWriterMasksAtEverySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(secretGen(), 1, 3).Draw(t, "secrets")
		r := NewRedactor()
		r.Add(secrets...)
		var patterns []string
		for _, s := range secrets {
			for _, part := range append(strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }), s) {
				for _, p := range []string{part, strings.TrimSpace(part)} {
					if maskable(p) {
						patterns = append(patterns, forms(p)...)
					}
				}
			}
		}
		var text []byte
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			filler := rapid.StringMatching(`[ab\n'"/\\xYZ61=]{0,6}`).Draw(t, "filler")
			text = append(append(text, filler...), rapid.SampledFrom(patterns).Draw(t, "pattern")...)
		}
		want := redactByHand(patterns, text)
		for split := range len(text) + 1 {
			if got := written(t, r, text[:split], text[split:]); !bytes.Equal(got, want) {
				t.Fatalf("split at %d of %q: got %q, want %q", split, text, got, want)
			}
		}
		var single [][]byte
		for i := range text {
			single = append(single, text[i:i+1])
		}
		if got := written(t, r, single...); !bytes.Equal(got, want) {
			t.Fatalf("byte by byte, %q: got %q, want %q", text, got, want)
		}
		if got := r.Bytes(text); !bytes.Equal(got, want) {
			t.Fatalf("Bytes(%q): got %q, want %q", text, got, want)
		}
		for _, s := range secrets {
			if bytes.Contains(want, []byte(s)) {
				t.Fatalf("%q is still in %q", s, want)
			}
		}
	})
}

func written(t interface{ Fatal(...any) }, r *Redactor, pieces ...[]byte) []byte {
	var out bytes.Buffer
	w := r.Writer(&out)
	for _, p := range pieces {
		if n, err := w.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What the secret becomes in the wild must not be readable either.
func TestEncodedSecretsAreMasked(t *testing.T) {
	const secret = "p@ss/w0rd+\"ü'<&> \\~"
	r := NewRedactor()
	r.Add(secret)
	asciiJSON := strings.NewReplacer("ü", `\u00fc`, `"`, `\"`, `\`, `\\`).Replace(secret)
	plainJSON := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret)
	goJSON, _ := json.Marshal(secret)
	cases := map[string]string{
		"plain":     secret,
		"hex":       hex.EncodeToString([]byte(secret)),
		"HEX":       strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"query":     url.QueryEscape(secret),
		"path":      url.PathEscape(secret),
		"lower":     strings.ToLower(url.QueryEscape(secret)),
		"JSON":      plainJSON,
		"Go JSON":   string(goJSON[1 : len(goJSON)-1]),
		"ASCII":     asciiJSON,
		"slashes":   strings.ReplaceAll(plainJSON, "/", `\/`),
		"sh quoted": strings.ReplaceAll(secret, `'`, `'\''`),
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		cases["base64 "+enc.EncodeToString([]byte{0xfb, 0xff})] = enc.EncodeToString([]byte(secret))
	}
	for name, text := range cases {
		if got := r.String("<" + text + ">"); got != "<"+Mask+">" {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
}

func TestBase64IsMaskedAtEveryAlignment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringN(4, 40, -1).Filter(maskable).Draw(t, "secret")
		before := rapid.SliceOfN(rapid.Byte(), 0, 7).Draw(t, "before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 7).Draw(t, "after")
		enc := rapid.SampledFrom([]*base64.Encoding{base64.StdEncoding, base64.URLEncoding}).Draw(t, "encoding")
		r := NewRedactor()
		r.Add(secret)
		whole := append(append(bytes.Clone(before), secret...), after...)
		got := r.String(enc.EncodeToString(whole))
		// At most the characters at the seams remain, which hold bits of both
		// sides, besides those of what is around.
		most := len(Mask) + enc.EncodedLen(len(before)) + enc.EncodedLen(len(after)) + 4
		if !strings.Contains(got, Mask) || len(got) > most {
			t.Fatalf("%q around %q became %q", before, secret, got)
		}
	})
}

func TestLinesOfASecretAreMasked(t *testing.T) {
	r := NewRedactor()
	r.Add("-----BEGIN KEY-----\r\nMIIEvQIBADAN\nBgkqhkiG9w0B\n\n-----END KEY-----\n", "  padded-value\n")
	got := r.String("1 MIIEvQIBADAN\n2 BgkqhkiG9w0B 3 padded-value 4 MIIEvQIBAD")
	if want := "1 ***\n2 *** 3 *** 4 MIIEvQIBAD"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShortSecretsAreReportedAndNotMasked(t *testing.T) {
	r := NewRedactor()
	var told []string
	r.Warn(func(m string) { told = append(told, m) })
	r.Add("", "abc", "abc", "true", "    ", "null", "long enough")
	if len(told) != 4 {
		t.Errorf("%d warnings, want 4: abc, true, spaces and null", len(told))
	}
	for _, m := range told {
		if strings.Contains(m, "abc") {
			t.Errorf("the warning %q contains the secret", m)
		}
	}
	if got := r.String("abc true long enough"); got != "abc true ***" {
		t.Errorf("got %q", got)
	}
}

func TestSecretsAddedHalfWayAreMasked(t *testing.T) {
	r := NewRedactor()
	var out bytes.Buffer
	w := r.Writer(&out)
	io.WriteString(w, "first-secret ")
	r.Add("first-secret", "first-secret-and-more")
	io.WriteString(w, "first-sec")
	r.Add("ret!")
	io.WriteString(w, "ret! ret")
	io.WriteString(w, "! first-secret-and-les")
	w.Close()
	if want := "first-secret *** *** ***-and-les"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
	if !w.Masked() {
		t.Error("Masked says no")
	}
}

func TestWriterHoldsBackOnlyWhatMayBeASecret(t *testing.T) {
	r := NewRedactor()
	r.Add("hunter2-is-long")
	var out bytes.Buffer
	w := r.Writer(&out)
	io.WriteString(w, "login: hunter")
	if got := out.String(); got != "login: " {
		t.Errorf("before: %q", got)
	}
	io.WriteString(w, "s")
	if got := out.String(); got != "login: hunters" {
		t.Errorf("after: %q", got)
	}
	if w.Masked() {
		t.Error("nothing was masked")
	}
}

func TestWriterPassesThroughWithoutSecrets(t *testing.T) {
	in := []byte("nothing to hide")
	var got []byte
	w := NewRedactor().Writer(writerFunc(func(p []byte) (int, error) {
		got = p
		return len(p), nil
	}))
	w.Write(in)
	if len(got) == 0 || &got[0] != &in[0] {
		t.Error("the bytes were copied")
	}
}

func TestWriterErrorStays(t *testing.T) {
	r := NewRedactor()
	full := errors.New("disk full")
	w := r.Writer(writerFunc(func(p []byte) (int, error) { return 0, full }))
	for range 2 {
		if _, err := w.Write([]byte("x")); err != full {
			t.Errorf("Write: %v", err)
		}
	}
	if err := w.Close(); err != full {
		t.Errorf("Close: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestFactsAreMasked(t *testing.T) {
	r := NewRedactor()
	r.Add("s3cret-value", "12345678", "restart")
	shared := []string{"echo", "s3cret-value"}
	facts := []struct{ in, want Fact }{
		{RunStart{Command: shared}, RunStart{Command: []string{"echo", Mask}}},
		{StepExpect{Got: `x s3cret-value`, Range: &Range{Filename: "restart.hcl"}, Step: Step{Step: "restart"}},
			StepExpect{Got: `x ***`, Range: &Range{Filename: "restart.hcl"}, Step: Step{Step: "restart"}}},
		{StepCapture{Name: "v", Value: json.RawMessage(`{"a":["s3cret-value",12345678,{"s3cret-value":true}]}`)},
			StepCapture{Name: "v", Value: json.RawMessage(`{"a":["***","***",{"***":true}]}`), Masked: true}},
		{StepCapture{Name: "v", Value: json.RawMessage(`{"a" : 1}`)}, StepCapture{Name: "v", Value: json.RawMessage(`{"a" : 1}`)}},
		{StepCapture{Name: "v", Sensitive: true}, StepCapture{Name: "v", Sensitive: true}},
		{Outputs{Values: map[string]Output{"o": {Value: json.RawMessage(`"s3cret\u002dvalue"`)}}},
			Outputs{Values: map[string]Output{"o": {Value: json.RawMessage(`"***"`)}}}},
		{JobComplete{Job: Job{Session: "restart", Name: "restart"}, Outcome: outcome.Outcome("restart"), Why: "restart"},
			JobComplete{Job: Job{Session: "restart", Name: Mask}, Outcome: outcome.Outcome("restart"), Why: Mask}},
		{LogFact{Text: "s3cret-value"}, LogFact{Text: Mask}},
		{Unknown{Name: "n", Text: "s3cret-value", Fields: json.RawMessage(`{"x":"s3cret-value"}`)},
			Unknown{Name: "n", Text: Mask, Fields: json.RawMessage(`{"x":"***"}`)}},
	}
	for _, f := range facts {
		if diff := cmp.Diff(f.want, r.fact(f.in)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", f.in, diff)
		}
	}
	if shared[1] != "s3cret-value" {
		t.Error("masking changed what the caller holds")
	}
}

// A canary in every string of every fact: none may come out.
func TestNoFieldEscapesTheRedactor(t *testing.T) {
	const canary = "x<\n\"é" // what sample fills in
	kept := 0
	for name := range decoders {
		r := NewRedactor()
		r.Add(canary)
		b, err := Record{Seq: 1, Time: when, RunID: "r", Fact: r.fact(sample(t, name))}.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(b, &fields); err != nil {
			t.Fatal(err)
		}
		for field, v := range fields {
			if s := fmt.Sprint(v); strings.Contains(s, canary) && !identity[field] {
				t.Errorf("%s: %s is %q", name, field, s)
			} else if strings.Contains(s, canary) {
				kept++
			}
		}
	}
	if kept == 0 {
		t.Error("the test found no identity at all, so it tests nothing")
	}
}

// identity has the fields that name things, and those made of them.
var identity = map[string]bool{
	"addr": true, "address": true, "session": true, "target": true, "step": true, "kind": true, "document": true,
	"targets": true, "waves": true, "steps": true, "directory": true, "session_id": true, "failed_step": true,
	"stream": true, "expectation": true, "name": true, "signal": true, "severity": true, "range": true,
	"stdout_sha256": true, "stderr_sha256": true, "outcome": true, "outcomes": true, "jobs": true, "checks": true,
	"outputs": true, "@message": true, "@level": true,
}

func BenchmarkWriter(b *testing.B) {
	line := []byte(strings.Repeat("Jan 02 15:04:05 web-01 nginx[812]: GET /healthz 200 0.004 ", 18)[:1024])
	for _, n := range []int{0, 1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewRedactor()
			for i := range n {
				r.Add(fmt.Sprintf("AKIA%08d-secret-%x", i, i*7919))
			}
			w := r.Writer(io.Discard)
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				w.Write(line)
			}
		})
	}
}
