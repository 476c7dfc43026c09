package lab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// violations collects what a request does wrong, in AWS's words.
type violations []string

func (v *violations) add(value, member, constraint string) {
	*v = append(*v, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, member, constraint))
}

// text checks a string member: required ones may not be null, and lengths count
// characters.
func (v *violations) text(member string, value *string, required bool, least, most int) {
	if value == nil {
		if required {
			v.add("null", member, "not be null")
		}
		return
	}
	switch n := utf8.RuneCountInString(*value); {
	case n < least:
		v.add(quoted(*value), member, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		v.add(quoted(*value), member, fmt.Sprintf("have length less than or equal to %d", most))
	}
}

func (v *violations) pattern(member string, value *string, re *regexp.Regexp) {
	if value != nil && !re.MatchString(*value) {
		v.add(quoted(*value), member, "satisfy regular expression pattern: "+re.String())
	}
}

func (v *violations) between(member string, value *int, least, most int) {
	switch {
	case value == nil:
	case *value < least:
		v.add(quoted(fmt.Sprint(*value)), member, fmt.Sprintf("have value greater than or equal to %d", least))
	case *value > most:
		v.add(quoted(fmt.Sprint(*value)), member, fmt.Sprintf("have value less than or equal to %d", most))
	}
}

func (v *violations) oneOf(member string, value *string, allowed ...string) {
	if value != nil && !slices.Contains(allowed, *value) {
		v.add(quoted(*value), member, "satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
	}
}

// list checks the length of a list member that is present.
func (v *violations) list(member string, values []string, least, most int) {
	switch n := len(values); {
	case n < least:
		v.add(quoted("["+strings.Join(values, ", ")+"]"), member, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		v.add(quoted("["+strings.Join(values[:3], ", ")+", ...]"), member, fmt.Sprintf("have length less than or equal to %d", most))
	}
}

// refusal is the ValidationException for what was collected, or nil.
func (v violations) refusal() *apiError {
	switch len(v) {
	case 0:
		return nil
	case 1:
		return refuse("ValidationException", "1 validation error detected: %s", v[0])
	}
	return refuse("ValidationException", "%d validation errors detected: %s", len(v), strings.Join(v, "; "))
}

// quoted shows a value in a message, cut when it is long.
func quoted(s string) string {
	const most = 512
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}
