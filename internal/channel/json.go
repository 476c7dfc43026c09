package channel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// maxDepth is how deep the JSON of a payload may be nested; peers go four
	// levels deep, and a document's properties add what their author wrote.
	// Without it the decoder takes eight bytes and more for each bracket.
	maxDepth = 32

	// maxName is the most bytes in the name of a member, as written. Peers use
	// 33. The decoder folds the case of each byte by byte, into a buffer that
	// grows to five times a long one.
	maxName = 64

	// maxActions bounds the actions of a handshake. Peers know two.
	maxActions = 16
)

var errNotUTF8 = errors.New("not UTF-8")

// unmarshal decodes a payload's JSON. What would make the decoder take many
// times the payload's size is refused first: deep nesting, long names, and text
// that is no UTF-8, of which each byte would become three.
func unmarshal(text []byte, into any) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	depth, name := extent(text)
	switch {
	case depth > maxDepth:
		return fmt.Errorf("nested more than %d levels deep", maxDepth)
	case name > maxName:
		return fmt.Errorf("a name of %d bytes, at most %d are allowed", name, maxName)
	}
	return json.Unmarshal(text, into)
}

// extent returns how deep the brackets outside strings are nested, and the
// length of the longest string that a colon follows.
func extent(text []byte) (depth, name int) {
	now := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			now++
			depth = max(depth, now)
		case ']', '}':
			now--
		case '"':
			start := i + 1
			for i = start; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if rest := bytes.TrimLeft(text[min(i+1, len(text)):], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				name = max(name, i-start)
			}
		}
	}
	return depth, name
}

// actions is a list in the handshake. It is decoded into an array, of which
// encoding/json leaves out what does not fit before it takes memory for it.
type actions[T any] [maxActions + 1]*T

// list returns what came, without the end that is not there.
func (a *actions[T]) list() ([]T, error) {
	n := len(a)
	for n > 0 && a[n-1] == nil {
		n--
	}
	if n > maxActions {
		return nil, fmt.Errorf("more than %d actions", maxActions)
	}
	var all []T
	for _, action := range a[:n] {
		if action == nil {
			return nil, errors.New("an action is null")
		}
		all = append(all, *action)
	}
	return all, nil
}
