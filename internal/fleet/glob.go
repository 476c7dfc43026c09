package fleet

import "strings"

// wild reports whether a selector's value has a wildcard. Neither
// DescribeInstanceInformation nor the tagging API knows them.
func wild(pattern string) bool { return strings.Contains(pattern, "*") }

// glob reports whether text matches pattern, in which * stands for any number
// of characters. It takes time in proportion to the lengths: a * that was
// passed is never gone back to behind a later one.
func glob(pattern, text string) bool {
	head, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
}

// globAny reports whether text matches one of the patterns.
func globAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if glob(p, text) {
			return true
		}
	}
	return false
}
