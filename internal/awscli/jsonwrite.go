package awscli

import (
	"math"
	"strings"
)

// encodeJSON writes a value as Python's json.dump does without ensure_ascii:
// on one line, or indented by four spaces.
func encodeJSON(v any, indented bool) string {
	w := &jsonWriter{indented: indented}
	w.value(v, 0)
	return w.out.String()
}

type jsonWriter struct {
	out      strings.Builder
	indented bool
}

func (w *jsonWriter) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		w.out.WriteString("null")
	case bool:
		w.out.WriteString(map[bool]string{true: "true", false: "false"}[v])
	case Int:
		w.out.WriteString(string(v))
	case float64:
		w.out.WriteString(jsonFloat(v))
	case string:
		w.string(v)
	case []any:
		w.group('[', ']', len(v), depth, func(i int) { w.value(v[i], depth+1) })
	case *Object:
		w.group('{', '}', v.Len(), depth, func(i int) {
			key := v.Keys()[i]
			w.string(key)
			w.out.WriteString(": ")
			value, _ := v.Get(key)
			w.value(value, depth+1)
		})
	}
}

func (w *jsonWriter) group(open, closing byte, n, depth int, element func(i int)) {
	w.out.WriteByte(open)
	for i := range n {
		switch {
		case i > 0 && w.indented:
			w.out.WriteByte(',')
		case i > 0:
			w.out.WriteString(", ")
		}
		w.line(depth + 1)
		element(i)
	}
	if n > 0 {
		w.line(depth)
	}
	w.out.WriteByte(closing)
}

func (w *jsonWriter) line(depth int) {
	if w.indented {
		w.out.WriteByte('\n')
		for range depth {
			w.out.WriteString("    ")
		}
	}
}

func (w *jsonWriter) string(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
			w.out.WriteByte('\\')
			w.out.WriteByte(`"\bfnrt`[i])
		} else if r < ' ' {
			w.out.WriteString(`\u` + hex(uint32(r), 4))
		} else {
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte('"')
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}
