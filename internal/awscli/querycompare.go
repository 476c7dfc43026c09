package awscli

import (
	"cmp"
	"errors"
	"strings"

	"github.com/jmespath-community/go-jmespath/pkg/parsing"
)

// compare is an ordering of two numbers or two strings; of one of each it is
// an error, as in Python, and null of all else.
func compare(arguments []any) (any, error) {
	a, aNumber := arguments[1].(float64)
	b, bNumber := arguments[2].(float64)
	s, aText := arguments[1].(string)
	t, bText := arguments[2].(string)
	var order int
	switch {
	case aNumber && bNumber:
		order = cmp.Compare(a, b)
	case aText && bText:
		order = strings.Compare(s, t)
	case aNumber && bText || aText && bNumber:
		return nil, errors.New("a string and a number cannot be compared")
	default:
		return nil, nil
	}
	switch arguments[0].(parsing.TokType) {
	case parsing.TOKLT:
		return order < 0, nil
	case parsing.TOKLTE:
		return order <= 0, nil
	case parsing.TOKGT:
		return order > 0, nil
	}
	return order >= 0, nil
}
