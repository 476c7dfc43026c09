package awscli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseShorthand reads the CLI's shorthand for a map of lists of strings:
//
//	portNumber=80,localPortNumber=9090
//	command=["ls -l","pwd"]
//	command=ls,-l
//	script@=file://setup.sh
//
// A value that is no list becomes a list of one. Nothing says here that the
// lists hold strings: `a={b=c}` is good shorthand, and the request is refused.
func ParseShorthand(text string, files Files) (*Object, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the text is not UTF-8")
	}
	p := &shorthand{text: []rune(text), files: files}
	o, err := p.parameter()
	if err != nil {
		return nil, err
	}
	for _, k := range o.Keys() {
		v, _ := o.Get(k)
		if _, ok := v.([]any); !ok {
			o.Set(k, []any{v})
		}
	}
	return o, nil
}

// A shorthandError is a mistake in the shorthand, with the text and a caret
// under the place.
type shorthandError struct{ message string }

func (e *shorthandError) Error() string { return e.message }

// shorthand is a recursive descent over characters, in the order in which the
// CLI looks at them, since the place of the first complaint is part of what it
// promises. Python's 0-based index is ours.
type shorthand struct {
	text    []rune
	at      int
	files   Files
	resolve bool // the last key was followed by @=
	depth   int
}

const end = rune(-1)

func (p *shorthand) current() rune {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return end
}

// parameter = keyval *("," keyval)
func (p *shorthand) parameter() (*Object, error) {
	o := &Object{}
	for last := 0; ; {
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		v, err := p.values()
		if err != nil {
			return nil, err
		}
		if _, twice := o.Get(key); twice {
			return nil, p.duplicate(key, last+1)
		}
		o.Set(key, v)
		if last = p.at; last >= len(p.text) {
			return o, nil
		}
		if err := p.expect(',', true); err != nil {
			return nil, err
		}
	}
}

// key reads a name and its = or @=.
func (p *shorthand) key() (string, error) {
	start := p.at
	for p.at < len(p.text) && isKeyChar(p.text[p.at]) {
		p.at++
	}
	name := string(p.text[start:p.at])
	p.space()
	if p.resolve = p.current() == '@'; p.resolve {
		p.at++
		p.space()
	}
	return name, p.expect('=', true)
}

func isKeyChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.#/:", r)
}

// values = csv-list / explicit-list / hash-literal
func (p *shorthand) values() (any, error) {
	switch p.current() {
	case end:
		return "", nil
	case '[':
		return p.list()
	case '{':
		return p.hash()
	}
	return p.csv()
}

// csv reads `bar` or `bar,baz`. What looks like another element may be the
// next key, `a=b,c=d`: then it goes back to the comma.
func (p *shorthand) csv() (any, error) {
	first, err := p.first()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.current() != ',' {
		return first, nil
	}
	p.at++
	p.space()
	list := []any{first}
	for {
		v, err := p.second()
		if err == nil {
			p.space()
			if p.current() == end {
				return append(list, v), nil
			}
			err = p.expect(',', true)
		}
		if _, mistake := err.(*shorthandError); mistake && p.current() != end {
			p.back()
			break
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if len(list) == 1 {
		return first, nil
	}
	return list, nil
}

func (p *shorthand) back() {
	for p.at > 0 && p.text[p.at] != ',' {
		p.at--
	}
}

// list = "[" [value *("," value)] "]"
func (p *shorthand) list() (any, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, errTooDeep
	}
	if err := p.expect('[', true); err != nil {
		return nil, err
	}
	list := []any{}
	for p.current() != ']' {
		v, err := p.element()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if err := p.between(']'); err != nil {
			return nil, err
		}
	}
	p.at++
	return list, nil
}

// hash = "{" keyval *("," keyval) "}", where of two equal keys the last counts.
func (p *shorthand) hash() (any, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, errTooDeep
	}
	if err := p.expect('{', true); err != nil {
		return nil, err
	}
	o := &Object{}
	for p.current() != '}' {
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		v, err := p.element()
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
		if err := p.between('}'); err != nil {
			return nil, err
		}
	}
	p.at++
	return o, nil
}

// between reads the comma after an element, unless the end follows.
func (p *shorthand) between(closing rune) error {
	p.space()
	if p.current() == closing {
		return nil
	}
	if err := p.expect(',', false); err != nil {
		return err
	}
	p.space()
	return nil
}

func (p *shorthand) element() (any, error) {
	switch p.current() {
	case '[':
		return p.list()
	case '{':
		return p.hash()
	}
	return p.first()
}

// first reads an element that may be empty and may hold an =.
func (p *shorthand) first() (any, error) {
	if c := p.current(); c == '\'' || c == '"' {
		return p.quoted(c)
	}
	word, ok := p.word(isFirstChar)
	if !ok {
		return "", nil
	}
	return p.loaded(word)
}

// second reads a later element of a csv list, which holds no =.
func (p *shorthand) second() (any, error) {
	if c := p.current(); c == '\'' || c == '"' {
		return p.quoted(c)
	}
	word, ok := p.word(isSecondChar)
	if !ok {
		return nil, p.mistake("<second>", "<none>")
	}
	return p.loaded(word)
}

// word reads a bare word: a comma in it is written \, and spaces at its end do
// not count. Characters beyond the basic plane need quotes, as in the CLI.
func (p *shorthand) word(follows func(rune) bool) (string, bool) {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c == '\\' && p.at+1 < len(p.text) && p.text[p.at+1] == ',' {
			p.at += 2
			continue
		}
		if p.at == start && !isStartChar(c) || p.at > start && !follows(c) {
			break
		}
		p.at++
	}
	text := strings.ReplaceAll(string(p.text[start:p.at]), `\,`, ",")
	return strings.TrimRightFunc(text, isSpace), p.at > start
}

func isPlain(c rune) bool {
	return c >= '!' && c <= 0xffff && !strings.ContainsRune(`"',`, c)
}

func isStartChar(c rune) bool {
	return isPlain(c) && c != '=' && c != '[' && c != '{'
}

func isFirstChar(c rune) bool {
	return isPlain(c) && c != ']' && c != '}' || isSpace(c)
}

func isSecondChar(c rune) bool {
	return isPlain(c) && c != '=' || isSpace(c)
}

// quoted reads a quoted element. Inside, \ escapes the quote and itself; a
// backslash before the last quote of the text does not escape it.
func (p *shorthand) quoted(quote rune) (any, error) {
	closing := -1
	for i := p.at + 1; i < len(p.text); i++ {
		if p.text[i] == '\\' && i+1 < len(p.text) && p.text[i+1] == quote {
			i++
			closing = i
		} else if p.text[i] == quote {
			closing = i
			break
		}
	}
	if closing < 0 {
		name := "<double quoted>"
		if quote == '\'' {
			name = "<singled quoted>"
		}
		return nil, p.mistake(name, "<none>")
	}
	text := string(p.text[p.at+1 : closing])
	p.at = closing + 1
	text = strings.ReplaceAll(text, `\`+string(quote), string(quote))
	return p.loaded(strings.ReplaceAll(text, `\\`, `\`))
}

// loaded is the element, or after @= the file that it names.
func (p *shorthand) loaded(text string) (any, error) {
	if !p.resolve {
		return text, nil
	}
	return p.files.load(text)
}

func (p *shorthand) space() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\n\r\v\f", p.text[p.at]) {
		p.at++
	}
}

func (p *shorthand) expect(c rune, spaces bool) error {
	if spaces {
		p.space()
	}
	if p.current() == end {
		return p.mistake(string(c), "EOF")
	}
	if p.current() != c {
		return p.mistake(string(c), string(p.current()))
	}
	p.at++
	if spaces {
		p.space()
	}
	return nil
}

func (p *shorthand) mistake(expected, received string) error {
	return &shorthandError{fmt.Sprintf("Expected: '%s', received: '%s' for input:\n %s", expected, received, p.pointAt(p.at))}
}

func (p *shorthand) duplicate(key string, at int) error {
	return &shorthandError{fmt.Sprintf("Second instance of key \"%s\" encountered for input:\n%s\n"+
		`This is often because there is a preceding "," instead of a space.`, key, p.pointAt(at))}
}

// pointAt puts a caret under a place, below its line.
func (p *shorthand) pointAt(at int) string {
	before, after := string(p.text[:at]), string(p.text[at:])
	column := at
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		column = utf8.RuneCountInString(before[i+1:])
	}
	rest := ""
	if i := strings.IndexByte(after, '\n'); i >= 0 {
		after, rest = after[:i], after[i:]
	}
	return before + after + "\n" + strings.Repeat(" ", column) + "^" + rest
}
