package plan

import (
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// masked stands for a sensitive value wherever people read.
const masked = "(sensitive value)"

// shortestMasked is the length from which a secret is taken out of a message:
// to mask every `a` would hide nothing.
const shortestMasked = 3

// secrets collects the texts that a redactor has to know.
type secrets struct {
	list []string
	seen map[string]bool
}

func (s *secrets) add(text string) {
	if text == "" || s.seen[text] {
		return
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[text] = true
	s.list = append(s.list, text)
}

// in adds the text of every marked leaf of v. Booleans are left out: to mask
// every `true` hides nothing and spoils everything.
func (s *secrets) in(v cty.Value) {
	if v == cty.NilVal || !v.ContainsMarked() {
		return
	}
	if v.IsMarked() {
		s.leaves(bare(v))
		return
	}
	if v.IsNull() || !v.IsKnown() {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		key, element := it.Element()
		s.in(key)
		s.in(element)
	}
}

func (s *secrets) leaves(v cty.Value) {
	switch {
	case v.IsNull() || !v.IsKnown() || v.Type() == cty.Bool:
	case v.Type().IsPrimitiveType():
		text, _ := textOf(v)
		s.add(text)
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			key, element := it.Element()
			if v.Type().IsMapType() {
				s.leaves(key)
			}
			s.leaves(element)
		}
	}
}

// behind adds the secrets that went into the value of an expression: those of
// the names it refers to, and its own sensitive parts, which may be derived
// from them.
func (s *secrets) behind(expr hclspec.Expression, scope *hclspec.Scope) {
	for _, name := range expr.Variables() {
		if v, diags := name.TraverseAbs(scope); !diags.HasErrors() {
			s.in(v)
		}
	}
	s.parts(expr, scope)
}

func (s *secrets) parts(expr hclspec.Expression, scope *hclspec.Scope) {
	parts, ok := hclspec.TemplateParts(expr)
	if !ok {
		parts, ok = hclspec.ListElements(expr)
	}
	if !ok {
		entries, isMap := hclspec.MapEntries(expr)
		for _, entry := range entries {
			parts = append(parts, entry.Value)
		}
		ok = isMap
	}
	if ok && len(parts) > 0 {
		for _, part := range parts {
			s.parts(part, scope)
		}
		return
	}
	if v, diags := evaluate(expr, scope); !diags.HasErrors() {
		s.in(v)
	}
}

// scrub takes the text of sensitive values out of diagnostics about an
// expression: functions quote their arguments when they complain.
func scrub(diags hclspec.Diagnostics, expr hclspec.Expression, scope *hclspec.Scope) {
	var found secrets
	for _, name := range expr.Variables() {
		if v, bad := name.TraverseAbs(scope); !bad.HasErrors() {
			found.in(v)
		}
	}
	if len(found.list) == 0 {
		return
	}
	replace := found.replacer()
	for _, d := range diags {
		d.Summary, d.Detail = replace.Replace(d.Summary), replace.Replace(d.Detail)
	}
}

// replacer masks every secret, longer ones first.
func (s *secrets) replacer() *strings.Replacer {
	sort.SliceStable(s.list, func(i, j int) bool { return len(s.list[i]) > len(s.list[j]) })
	pairs := make([]string, 0, 2*len(s.list))
	for _, text := range s.list {
		if len(text) >= shortestMasked {
			pairs = append(pairs, text, masked)
		}
	}
	return strings.NewReplacer(pairs...)
}
