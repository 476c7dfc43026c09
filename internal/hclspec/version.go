package hclspec

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// constraint is one comparison of a version.
type constraint struct {
	op    string
	parts []int // 1 to 3 numbers
}

var constraintForm = regexp.MustCompile(`^(=|!=|>=|<=|>|<|~>)?\s*v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?$`)

func parseConstraint(text string) ([]constraint, error) {
	var all []constraint
	for _, part := range strings.Split(text, ",") {
		m := constraintForm.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fmt.Errorf("%q is no version constraint", strings.TrimSpace(part))
		}
		c := constraint{op: cmp.Or(m[1], "=")}
		for _, number := range m[2:] {
			if number != "" {
				n, _ := strconv.Atoi(number)
				c.parts = append(c.parts, n)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// Allows reports whether version, such as "1.2.3" or "0.1.0-dev", satisfies
// required_version. Without a constraint every version does; what cannot be
// read as a version satisfies any, so that a build without one can run.
func (s Settings) Allows(version string) bool {
	constraints, err := parseConstraint(s.RequiredVersion)
	if s.RequiredVersion == "" || err != nil {
		return true
	}
	core, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	core, _, _ = strings.Cut(core, "+")
	v, err := parseConstraint(core)
	if err != nil || len(v) != 1 {
		return true
	}
	for _, c := range constraints {
		if !c.allows(v[0].parts) {
			return false
		}
	}
	return true
}

func (c constraint) allows(version []int) bool {
	order := compareVersions(version, c.parts)
	switch c.op {
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case "~>":
		// ~> 1.2 is >= 1.2, < 2; ~> 1.2.3 is >= 1.2.3, < 1.3.
		fixed := c.parts[:max(1, len(c.parts)-1)]
		return order >= 0 && compareVersions(version[:min(len(fixed), len(version))], fixed) == 0
	}
	return order == 0
}

func compareVersions(a, b []int) int {
	for i := range max(len(a), len(b)) {
		if order := cmp.Compare(part(a, i), part(b, i)); order != 0 {
			return order
		}
	}
	return 0
}

func part(version []int, i int) int {
	if i < len(version) {
		return version[i]
	}
	return 0
}
