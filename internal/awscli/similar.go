package awscli

import (
	"cmp"
	"slices"
)

// closeMatches returns up to three choices that look like a word, the best
// first: Python's difflib.get_close_matches with a cutoff of 0.8.
func closeMatches(word string, choices []string) []string {
	type scored struct {
		score float64
		text  string
	}
	var found []scored
	for _, choice := range choices {
		a, b := []rune(choice), []rune(word)
		if len(b) > 2*len(a) {
			continue // cannot reach the cutoff, and may be long
		}
		if score := 2 * float64(matching(a, b)) / float64(len(a)+len(b)); score >= 0.8 {
			found = append(found, scored{score, choice})
		}
	}
	slices.SortFunc(found, func(x, y scored) int {
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(y.text, x.text))
	})
	var names []string
	for _, s := range found[:min(3, len(found))] {
		names = append(names, s.text)
	}
	return names
}

// matching counts the characters in the longest common block, and in those to
// its left and right.
func matching(a, b []rune) int {
	length, atA, atB := 0, 0, 0
	for i := range a {
		for j := range b {
			n := 0
			for i+n < len(a) && j+n < len(b) && a[i+n] == b[j+n] {
				n++
			}
			if n > length {
				length, atA, atB = n, i, j
			}
		}
	}
	if length == 0 {
		return 0
	}
	return length + matching(a[:atA], b[:atB]) + matching(a[atA+length:], b[atB+length:])
}
