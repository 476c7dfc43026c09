package plan

import (
	"fmt"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// problems collects diagnostics. The same mistake seen on a thousand targets
// is one diagnostic.
type problems struct {
	list   hclspec.Diagnostics
	seen   map[string]bool
	target string // whose job is being looked at, "" when it is none's
	places map[string]*place
}

// place is where a mistake was first made, and on which target.
type place struct {
	target string
	first  *hclspec.Diagnostic
	noted  bool
}

func (p *problems) extend(diags hclspec.Diagnostics) {
	for _, d := range diags {
		p.add(d)
	}
}

func (p *problems) add(d *hclspec.Diagnostic) {
	key := fmt.Sprint(d.Severity, "\x00", d.Summary, "\x00", d.Detail)
	if d.Subject != nil {
		key += "\x00" + d.Subject.String()
	}
	if p.seen[key] {
		return
	}
	if p.seen == nil {
		p.seen, p.places = map[string]bool{}, map[string]*place{}
	}
	p.seen[key] = true
	if p.elsewhere(d) {
		return
	}
	p.list = append(p.list, d)
}

// elsewhere reports whether a mistake was already made at the same place on
// another target, where only the words are different.
func (p *problems) elsewhere(d *hclspec.Diagnostic) bool {
	if d.Subject == nil || p.target == "" {
		return false
	}
	key := fmt.Sprint(d.Severity, "\x00", d.Summary, "\x00", d.Subject)
	before := p.places[key]
	if before == nil {
		p.places[key] = &place{target: p.target, first: d}
		return false
	}
	if before.target == p.target {
		return false
	}
	if !before.noted {
		before.noted = true
		before.first.Detail += " It is the same on other targets."
	}
	return true
}

func (p *problems) errorf(at hclspec.Range, summary, format string, args ...any) {
	p.add(mistake(at, summary, format, args...))
}

func (p *problems) warnf(at hclspec.Range, summary, format string, args ...any) {
	d := mistake(at, summary, format, args...)
	d.Severity = hclspec.SeverityWarning
	p.add(d)
}

func (p *problems) hasErrors() bool { return p.list.HasErrors() }

// warnings returns what is no error.
func (p *problems) warnings() hclspec.Diagnostics {
	var list hclspec.Diagnostics
	for _, d := range p.list {
		if d.Severity == hclspec.SeverityWarning {
			list = append(list, d)
		}
	}
	return list
}

func mistake(at hclspec.Range, summary, format string, args ...any) *hclspec.Diagnostic {
	d := &hclspec.Diagnostic{
		Severity: hclspec.SeverityError,
		Summary:  summary,
		Detail:   fmt.Sprintf(format, args...),
	}
	if at != (hclspec.Range{}) {
		d.Subject = &at
	}
	return d
}
