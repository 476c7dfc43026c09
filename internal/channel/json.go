package channel

import (
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

	// maxActions bounds the actions of a handshake. Peers know two.
	maxActions = 16
)

var errNotUTF8 = errors.New("not UTF-8")

// unmarshal decodes a payload's JSON. What would make the decoder take many
// times the payload's size is refused first: deep nesting, and text that is no
// UTF-8, of which each byte would become three.
func unmarshal(text []byte, into any) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	if depth(text) > maxDepth {
		return fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	return json.Unmarshal(text, into)
}

// depth returns how deep the brackets outside strings are nested.
func depth(text []byte) int {
	now, most, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
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
