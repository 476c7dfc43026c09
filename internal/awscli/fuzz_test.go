package awscli

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// bounded holds f to what a tree of values may take: this is what the operator
// typed, not what a peer sent, and an element of one character is a value of 16
// bytes in a slice that grows, with its text, and an object's member more.
func bounded(t *testing.T, input int, f func()) {
	t.Helper()
	bounds.Check(t, 256<<10+512*input, f)
}

func FuzzShorthand(f *testing.F) {
	for _, row := range rows[struct{ In string }](f, "shorthand.jsonl") {
		f.Add(row.In)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bounded(t, len(text), func() {
			o, err := ParseShorthand(text, Files{})
			if err != nil {
				if err.Error() == "" {
					t.Error("an error without words")
				}
				return
			}
			for _, k := range o.Keys() {
				v, _ := o.Get(k)
				if _, ok := v.([]any); !ok {
					t.Errorf("%q: %q is %T, not a list", text, k, v)
				}
			}
		})
	})
}

// FuzzJSON holds the decoder to Go's: what Go takes, it takes.
func FuzzJSON(f *testing.F) {
	for _, row := range rows[struct{ In string }](f, "json.jsonl") {
		f.Add(row.In)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bounded(t, len(text), func() {
			v, err := decodeJSON(text, true)
			if err != nil {
				lone := strings.Contains(err.Error(), "Lone surrogate") || strings.Contains(err.Error(), "not UTF-8")
				escapeAtEnd := strings.Contains(err.Error(), `Invalid \uXXXX`)
				if json.Valid([]byte(text)) && !lone && !escapeAtEnd && err != errTooDeep {
					t.Errorf("%q is JSON: %v", text, err)
				}
				return
			}
			again, err := decodeJSON(encodeJSON(v, true), true)
			if err != nil {
				t.Fatalf("%q does not read back: %v", text, err)
			}
			if got, want := encodeJSON(again, false), encodeJSON(v, false); got != want {
				t.Errorf("%q reads back as %s, not %s", text, got, want)
			}
		})
	})
}

func FuzzInput(f *testing.F) {
	f.Add(`{"Target":"i-1","Parameters":{"a":["b"]}}`, "a=b")
	f.Add(`[`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, document, parameters string) {
		args := []string{"--cli-input-json=" + document, "--parameters=" + parameters, "--target=i-1"}
		bounded(t, len(document)+len(parameters), func() {
			c, err := Parse(args, Files{})
			if err == nil && (c.Request.Target != "i-1" || !json.Valid([]byte(c.Request.JSON()))) {
				t.Errorf("%q: %s", args, c.Request.JSON())
			}
		})
	})
}

func FuzzArguments(f *testing.F) {
	for _, row := range rows[commandRow](f, "command.jsonl") {
		f.Add(strings.Join(row.Args, "\x00"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		var c *Command
		var err error
		args := strings.Split(line, "\x00")
		bounded(t, len(line), func() { c, err = Parse(args, Files{}) })
		if err == nil && !c.Version && !c.Help && c.Skeleton != "input" && c.Request.Target == "" {
			t.Errorf("%q: no target and no error", line)
		}
	})
}

// FuzzQuery applies queries to a document: whatever they are, no panic, and
// the same answer twice.
func FuzzQuery(f *testing.F) {
	table := rows[struct{ Query, Doc string }](f, "query.jsonl")
	for _, row := range table {
		f.Add(row.Query)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := CompileQuery(text)
		if err != nil {
			return
		}
		var answers [2]bytes.Buffer
		for i := range answers {
			document, err := decodeJSON(table[0].Doc, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"json", "text", "table", "yaml"} {
				o := Output{Format: format, Query: q}
				if text, err := o.Text(operation, document); err == nil {
					answers[i].WriteString(text)
				}
			}
		}
		if !bytes.Equal(answers[0].Bytes(), answers[1].Bytes()) {
			t.Errorf("%q has two answers", text)
		}
	})
}

func FuzzOutput(f *testing.F) {
	for _, row := range rows[struct{ Value string }](f, "output.jsonl")[:200] {
		f.Add(row.Value, uint16(80))
	}
	f.Fuzz(func(t *testing.T, text string, width uint16) {
		v, err := decodeJSON(text, false)
		if err != nil || len(text) > 1<<12 {
			return
		}
		for _, format := range []string{"json", "text", "table", "yaml", "yaml-stream"} {
			o := Output{Format: format, Width: int(width % math.MaxInt16)}
			_, _ = o.Text(operation, v)
		}
	})
}
