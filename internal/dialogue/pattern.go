package dialogue

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"sort"
	"unicode/utf8"
)

// pattern finds the shortest beginning of a text in which a regular expression
// matches.
type pattern struct {
	exact *regexp.Regexp
	// loose matches wherever exact does and may match more: it has no
	// conditions on what follows. So when it is found in a text it is found in
	// every longer one, and the shortest can be searched for by halves.
	loose *regexp.Regexp
	same  bool // the two are one
}

// Compile checks a prompt's regular expression, of RE2.
func Compile(expr string) (*regexp.Regexp, error) {
	exact, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	if exact.MatchString("") {
		return nil, fmt.Errorf("it matches the empty text, so it would be found before anything is asked")
	}
	return exact, nil
}

func newPattern(exact *regexp.Regexp) pattern {
	tree, err := syntax.Parse(exact.String(), syntax.Perl)
	if err != nil { // it was compiled from this text
		return pattern{exact: exact, loose: exact}
	}
	if !loosen(tree) {
		return pattern{exact: exact, loose: exact, same: true}
	}
	loose, err := regexp.Compile(tree.String())
	if err != nil {
		return pattern{exact: exact, loose: regexp.MustCompile("")}
	}
	return pattern{exact: exact, loose: loose}
}

// loosen takes out what depends on the text that follows, and reports whether
// there was any.
func loosen(tree *syntax.Regexp) (changed bool) {
	switch tree.Op {
	case syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		tree.Op, tree.Flags = syntax.OpEmptyMatch, 0
		return true
	}
	for _, sub := range tree.Sub {
		changed = loosen(sub) || changed
	}
	return changed
}

// found returns how much of text, of at least from bytes, has to be there for a
// match, or -1. Whether there was one in less than from bytes does not matter.
func (p pattern) found(text []byte, from int) int {
	if !p.loose.Match(text) {
		return -1
	}
	ends := characterEnds(text, from)
	first := sort.Search(len(ends), func(i int) bool { return p.loose.Match(text[:ends[i]]) })
	for _, end := range ends[first:] {
		if p.same || p.exact.Match(text[:end]) {
			return end
		}
	}
	return -1
}

// characterEnds are the offsets behind the characters of a text, from one on.
func characterEnds(text []byte, from int) []int {
	var ends []int
	for at := from; at < len(text); {
		_, n := utf8.DecodeRune(text[at:])
		at += n
		ends = append(ends, at)
	}
	return ends
}
