package awscli

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The CLI is written in Python and its messages quote values as Python does.

// typeName is what Python's str(type(v)) says.
func typeName(v any) string {
	name := "object"
	switch v := v.(type) {
	case nil:
		name = "NoneType"
	case bool:
		name = "bool"
	case Int:
		name = "int"
	case float64:
		name = "float"
	case string:
		name = "str"
	case Bytes:
		name = "bytes"
	case []any:
		name = "list"
	case *Object:
		name = "dict"
		if v.ordered {
			name = "collections.OrderedDict"
		}
	}
	return "<class '" + name + "'>"
}

// str is Python's str(v).
func str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return repr(v)
}

// repr is Python's repr(v).
func repr(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "True"
		}
		return "False"
	case Int:
		return string(v)
	case float64:
		return floatRepr(v)
	case string:
		return stringRepr(v)
	case Bytes:
		return bytesRepr(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = repr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Object:
		return objectRepr(v)
	}
	return "None"
}

func objectRepr(o *Object) string {
	parts := make([]string, 0, o.Len())
	for _, k := range o.Keys() {
		v, _ := o.Get(k)
		parts = append(parts, stringRepr(k)+": "+repr(v))
	}
	inner := "{" + strings.Join(parts, ", ") + "}"
	switch {
	case !o.ordered:
		return inner
	case o.Len() == 0:
		return "OrderedDict()"
	}
	return "OrderedDict(" + inner + ")"
}

// floatRepr is the shortest text that reads back, with an exponent where
// Python has one.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(text, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		return text
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func stringRepr(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for i, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			b.WriteString(`\udc` + hex(uint32(s[i]), 2)) // a byte that is no UTF-8
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(escaped(r))
		}
	}
	b.WriteByte(quote)
	return b.String()
}

func bytesRepr(data []byte) string {
	quote := byte('\'')
	if s := string(data); strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte('b')
	b.WriteByte(quote)
	for _, c := range data {
		switch {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c < 0x7f:
			b.WriteByte(c)
		default:
			b.WriteString(escaped(rune(c)))
		}
	}
	b.WriteByte(quote)
	return b.String()
}

func escaped(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r <= 0xff:
		return `\x` + hex(uint32(r), 2)
	case r <= 0xffff:
		return `\u` + hex(uint32(r), 4)
	}
	return `\U` + hex(uint32(r), 8)
}

func hex(n uint32, width int) string {
	s := strconv.FormatUint(uint64(n), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// isSpace is Python's str.isspace for one character: Unicode's, and the four
// separators of ASCII.
func isSpace(r rune) bool {
	return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r)
}

// parseInt is Python's int(text): spaces around, a sign, and underscores
// between digits.
func parseInt(text string) (Int, bool) {
	s := strings.TrimFunc(text, isSpace)
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = strings.TrimPrefix(s[:1], "+"), s[1:]
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") {
		return "", false
	}
	s = strings.ReplaceAll(s, "_", "")
	if strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0", true
	}
	return Int(sign + s), true
}
