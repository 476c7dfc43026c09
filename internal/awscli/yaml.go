package awscli

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// yamlWidth is the column after which libyaml, which writes for the CLI, looks
// for a space to break a line at; a key longer than yamlKey gets a line of its
// own.
const (
	yamlWidth = 80
	yamlKey   = 128
)

// encodeYAML writes --output yaml: block style, keys sorted, and scalars
// alone as JSON.
func encodeYAML(v any) string {
	if isScalar(v) {
		return encodeJSON(v, false) + "\n"
	}
	w := &yamlWriter{}
	w.node(v, 0, false)
	return strings.TrimPrefix(w.out.String(), "\n") + "\n"
}

// yamlWriter writes as libyaml's emitter does.
type yamlWriter struct {
	out    strings.Builder
	column int
	inline bool // after "- ": the first line of what follows stands here
}

func (w *yamlWriter) put(text string) {
	w.out.WriteString(text)
	w.column += utf8.RuneCountInString(text)
}

// line starts a line at an indentation, unless the place is that already.
func (w *yamlWriter) line(indent int) {
	if w.inline {
		w.inline = false
		return
	}
	w.out.WriteByte('\n')
	w.column = 0
	w.put(strings.Repeat(" ", indent))
}

// node writes a value; below a key, a list is not indented.
func (w *yamlWriter) node(v any, indent int, belowKey bool) {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			w.put(w.gap() + "[]")
			return
		}
		if belowKey {
			indent -= 2
		}
		for _, e := range v {
			w.line(indent)
			w.put("-")
			w.enter(e, indent)
		}
	case *Object:
		if v.Len() == 0 {
			w.put(w.gap() + "{}")
			return
		}
		for _, k := range slices.Sorted(slices.Values(v.Keys())) {
			w.line(indent)
			w.pair(k, v, indent)
		}
	default:
		w.put(w.gap())
		w.scalar(v, indent, true)
	}
}

// gap is the space between an indicator and what follows it on its line.
func (w *yamlWriter) gap() string {
	w.inline = false
	if w.out.Len() == 0 || strings.HasSuffix(w.out.String(), " ") {
		return ""
	}
	return " "
}

// enter writes an element after its dash.
func (w *yamlWriter) enter(e any, indent int) {
	if !isScalar(e) && !falsy(e) {
		w.put(" ")
		w.inline = true
	}
	w.node(e, indent+2, false)
}

func (w *yamlWriter) pair(key string, o *Object, indent int) {
	value, _ := o.Get(key)
	if len(key) > yamlKey || strings.ContainsAny(key, "\r\n\u0085\u2028\u2029") {
		w.put("? ")
		w.scalar(key, indent+2, true)
		w.line(indent)
		w.put(":")
		w.enter(value, indent)
		return
	}
	w.scalar(key, indent, false)
	w.put(":")
	w.node(value, indent+2, true)
}

func (w *yamlWriter) scalar(v any, indent int, breaks bool) {
	var text string
	switch v := v.(type) {
	case nil:
		text = "null"
	case bool:
		text = strings.ToLower(repr(v))
	case float64:
		text = yamlFloat(v)
	case string:
		w.text(v, indent, breaks)
		return
	default:
		text = str(v)
	}
	w.put(text)
}

func yamlFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	return strings.ToLower(floatRepr(f))
}

// notText are the plain scalars that YAML 1.2 takes for something else than
// text, as the CLI's library knows them.
var notText = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`true|True|TRUE|false|False|FALSE`,
	`[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?`,
	`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
	`[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+`,
	`<<|=|~|null|Null|NULL|`,
	`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
	`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?`,
}, "|") + `)\n?$`)

// text writes a string plain, or in single quotes, or in double quotes: the
// first that can hold it.
func (w *yamlWriter) text(s string, indent int, breaks bool) {
	plain, single := yamlStyles(s)
	multiline := strings.ContainsAny(s, "\r\n\u0085\u2028\u2029")
	numeric := notText.MatchString(s) && (strings.ContainsRune("-+0123456789.<=~nNtTfF", first(s)) || s == "")
	switch {
	case !breaks && multiline || !single:
		w.doubleQuoted(s, indent, breaks)
	case plain && !numeric:
		w.folded(s, indent, breaks, false)
	default:
		w.put("'")
		w.folded(s, indent, breaks, true)
		w.put("'")
	}
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func isBreak(r rune) bool { return strings.ContainsRune("\r\n\u0085\u2028\u2029", r) }

// yamlPrintable is libyaml's: no tab, nothing beyond the basic plane.
func yamlPrintable(r rune) bool {
	return r == '\n' || r >= ' ' && r <= '~' || r >= 0xa0 && r <= 0xfffd && r != 0xfeff
}

// yamlStyles says which styles can hold a text.
func yamlStyles(s string) (plain, single bool) {
	plain, single = true, true
	runes := []rune(s)
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		plain = false
	}
	blank := func(i int) bool {
		return i < 0 || i >= len(runes) || runes[i] == ' ' || runes[i] == '\t' || runes[i] == 0 || isBreak(runes[i])
	}
	for i, r := range runes {
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r),
			i == 0 && strings.ContainsRune("?:-", r) && blank(1),
			i > 0 && r == ':' && blank(i+1),
			i > 0 && r == '#' && blank(i-1):
			plain = false
		}
		if !yamlPrintable(r) {
			return false, false
		}
		edge := i == 0 || i == len(runes)-1
		if isBreak(r) || r == ' ' && edge {
			plain = false
		}
		if i > 0 && r == ' ' && isBreak(runes[i-1]) {
			single = false
		}
		if i > 0 && isBreak(r) && runes[i-1] == ' ' {
			return false, false
		}
	}
	return plain && single, single
}

// folded writes the inside of a plain or single-quoted scalar.
func (w *yamlWriter) folded(s string, indent int, breaks, quoted bool) {
	runes := []rune(s)
	spaces, broken := false, false
	for i, r := range runes {
		switch {
		case r == ' ':
			inside := !quoted || i > 0 && i < len(runes)-1
			if breaks && !spaces && w.column > yamlWidth && inside && !(i+1 < len(runes) && runes[i+1] == ' ') {
				w.line(indent)
			} else {
				w.put(" ")
			}
			spaces = true
			continue
		case quoted && isBreak(r):
			if !broken && r == '\n' {
				w.out.WriteByte('\n')
			}
			w.out.WriteRune(r)
			w.column, broken = 0, true
			continue
		case broken:
			w.put(strings.Repeat(" ", indent))
		}
		if quoted && r == '\'' {
			w.put("'")
		}
		w.put(string(r))
		spaces, broken = false, false
	}
	if broken {
		w.put(strings.Repeat(" ", indent))
	}
}

var yamlEscapes = map[rune]string{0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 0x1b: "e",
	'"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P"}

func (w *yamlWriter) doubleQuoted(s string, indent int, breaks bool) {
	w.put(`"`)
	runes := []rune(s)
	spaces := false
	for i, r := range runes {
		escape, known := yamlEscapes[r]
		switch {
		case !yamlPrintable(r) || isBreak(r) || r == '"' || r == '\\':
			switch {
			case known:
			case r <= 0xff:
				escape = "x" + strings.ToUpper(hex(uint32(r), 2))
			case r <= 0xffff:
				escape = "u" + strings.ToUpper(hex(uint32(r), 4))
			default:
				escape = "U" + strings.ToUpper(hex(uint32(r), 8))
			}
			w.put(`\` + escape)
			spaces = false
		case r == ' ':
			if breaks && !spaces && w.column > yamlWidth && i > 0 && i < len(runes)-1 {
				w.line(indent)
				if runes[i+1] == ' ' {
					w.put(`\`)
				}
			} else {
				w.put(" ")
			}
			spaces = true
		default:
			w.put(string(r))
			spaces = false
		}
	}
	w.put(`"`)
}
