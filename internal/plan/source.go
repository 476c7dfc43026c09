package plan

import (
	"bytes"
	"strings"
)

// SourceLine returns the line of the runbook at which a range begins, without
// indentation, and "" when there is none: it goes with events, for people who
// have the run and not the runbook.
func (p *Plan) SourceLine(at Range) string {
	if p.eval == nil {
		return ""
	}
	file := p.eval.rb.Files[at.Filename]
	if file == nil {
		return ""
	}
	n := at.Start.Line
	for line := range bytes.Lines(file.Bytes) {
		if n--; n == 0 {
			return strings.TrimSpace(string(line))
		}
	}
	return ""
}
