package awscli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep JSON may nest. Python's own bound is near it.
const maxDepth = 900

// A jsonError is where and why text is no JSON, in the words of Python's json
// module, which the CLI shows.
type jsonError struct {
	reason string
	text   []rune
	at     int
}

func (e *jsonError) Error() string {
	line, column := 1, e.at+1
	for i, r := range e.text[:e.at] {
		if r == '\n' {
			line, column = line+1, e.at-i
		}
	}
	return fmt.Sprintf("%s: line %d column %d (char %d)", e.reason, line, column, e.at)
}

// decodeJSON reads text as Python's json.loads does: NaN and infinities are
// numbers, of two equal keys the last value counts.
func decodeJSON(text string, ordered bool) (any, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the text is not UTF-8")
	}
	d := &jsonReader{text: []rune(text), ordered: ordered}
	if strings.HasPrefix(text, "\ufeff") {
		return nil, d.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
	}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.at < len(d.text) {
		return nil, d.fail("Extra data", d.at)
	}
	return v, d.lone
}

type jsonReader struct {
	text    []rune
	at      int
	ordered bool
	lone    error // the first half of a character, which Python lets pass
}

func (d *jsonReader) fail(reason string, at int) error {
	return &jsonError{reason: reason, text: d.text, at: at}
}

// peek returns the next character, or 0 at the end; a NUL in the text is an
// error wherever peek is asked.
func (d *jsonReader) peek() rune {
	if d.at < len(d.text) {
		return d.text[d.at]
	}
	return 0
}

func (d *jsonReader) space() {
	for d.at < len(d.text) && strings.ContainsRune(" \t\n\r", d.text[d.at]) {
		d.at++
	}
}

func (d *jsonReader) has(word string) bool {
	w := []rune(word)
	if len(d.text)-d.at >= len(w) && slices.Equal(d.text[d.at:d.at+len(w)], w) {
		d.at += len(w)
		return true
	}
	return false
}

func (d *jsonReader) value(depth int) (any, error) {
	switch c := d.peek(); {
	case depth > maxDepth:
		return nil, errTooDeep
	case c == '"':
		return d.string()
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == 'n' && d.has("null"):
		return nil, nil
	case c == 't' && d.has("true"):
		return true, nil
	case c == 'f' && d.has("false"):
		return false, nil
	case c == 'N' && d.has("NaN"):
		return math.NaN(), nil
	case c == 'I' && d.has("Infinity"):
		return math.Inf(1), nil
	case c == '-' && d.has("-Infinity"):
		return math.Inf(-1), nil
	}
	return d.number()
}

func (d *jsonReader) object(depth int) (any, error) {
	o := &Object{ordered: d.ordered}
	d.at++
	d.space()
	if d.peek() == '}' {
		d.at++
		return o, nil
	}
	for {
		if d.peek() != '"' {
			return nil, d.fail("Expecting property name enclosed in double quotes", d.at)
		}
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		d.space()
		if d.peek() != ':' {
			return nil, d.fail("Expecting ':' delimiter", d.at)
		}
		d.at++
		d.space()
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
		if more, err := d.another('}', "object"); !more {
			return o, err
		}
	}
}

func (d *jsonReader) array(depth int) (any, error) {
	list := []any{}
	d.at++
	d.space()
	if d.peek() == ']' {
		d.at++
		return list, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if more, err := d.another(']', "array"); !more {
			return list, err
		}
	}
}

// another reads what follows an element: the end, or a comma and the start of
// the next element.
func (d *jsonReader) another(end rune, what string) (bool, error) {
	d.space()
	if d.peek() == end {
		d.at++
		return false, nil
	}
	comma := d.at
	if d.peek() != ',' {
		return false, d.fail("Expecting ',' delimiter", comma)
	}
	d.at++
	d.space()
	if d.peek() == end {
		return false, d.fail("Illegal trailing comma before end of "+what, comma)
	}
	return true, nil
}

func (d *jsonReader) digits() int {
	start := d.at
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.at++
	}
	return d.at - start
}

func (d *jsonReader) number() (any, error) {
	start := d.at
	if d.peek() == '-' {
		d.at++
	}
	if d.peek() == '0' {
		d.at++
	} else if d.digits() == 0 {
		return nil, d.fail("Expecting value", start)
	}
	whole := true
	if mark := d.at; d.peek() == '.' {
		d.at++
		if whole = d.digits() == 0; whole {
			d.at = mark
		}
	}
	if mark := d.at; d.peek() == 'e' || d.peek() == 'E' {
		d.at++
		if d.peek() == '+' || d.peek() == '-' {
			d.at++
		}
		if d.digits() > 0 {
			whole = false
		} else {
			d.at = mark
		}
	}
	text := string(d.text[start:d.at])
	if whole {
		n, _ := parseInt(text)
		return n, nil
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is an infinity, as in Python
	return f, nil
}

func (d *jsonReader) string() (string, error) {
	begin := d.at
	d.at++
	var b strings.Builder
	for {
		if d.at >= len(d.text) {
			return "", d.fail("Unterminated string starting at", begin)
		}
		c := d.text[d.at]
		switch {
		case c == '"':
			d.at++
			return b.String(), nil
		case c < ' ':
			return "", d.fail("Invalid control character at", d.at)
		case c != '\\':
			b.WriteRune(c)
			d.at++
		case d.at+1 == len(d.text):
			return "", d.fail("Unterminated string starting at", begin)
		default:
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
}

func (d *jsonReader) escape() (rune, error) {
	start := d.at
	c := d.text[start+1]
	if i := strings.IndexRune(`"\/bfnrt`, c); i >= 0 {
		d.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, d.fail(`Invalid \escape`, start)
	}
	r, err := d.unicode(start)
	if err != nil {
		return 0, err
	}
	d.at = start + 6
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if d.at+6 < len(d.text) && d.text[d.at] == '\\' && d.text[d.at+1] == 'u' {
		low, err := d.unicode(d.at)
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			d.at += 6
			return pair, nil
		}
	}
	if d.lone == nil { // no text that is sent can hold it
		d.lone = d.fail("Lone surrogate", start)
	}
	return utf8.RuneError, nil
}

// unicode reads the \uXXXX at a place. As in Python, the four digits may not
// be the last thing in the text.
func (d *jsonReader) unicode(at int) (rune, error) {
	if at+6 >= len(d.text) {
		return 0, d.fail(`Invalid \uXXXX escape`, at+1)
	}
	var r rune
	for _, c := range d.text[at+2 : at+6] {
		i := strings.IndexRune("0123456789abcdefABCDEF", c)
		if i < 0 {
			return 0, d.fail(`Invalid \uXXXX escape`, at+1)
		}
		if i >= 16 {
			i -= 6
		}
		r = r<<4 | rune(i)
	}
	return r, nil
}
