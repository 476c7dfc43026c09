package view

import (
	"fmt"
	"os"
	"strings"

	"github.com/ssmrun/ssmrun/internal/event"
)

const (
	// detailIndent is how far what belongs to a line is moved in.
	detailIndent = "          "
	// tailLines and tailBytes bound the end of an output that is shown.
	tailLines = 20
	tailBytes = 16 << 10
)

// failure shows why a step failed and the end of what its command wrote.
func (p *printer) failure(f event.StepComplete, expects []event.StepExpect) {
	p.unmet(f, expects)
	p.tail(f, "stderr", f.StderrKept)
	p.tail(f, "stdout", f.StdoutKept)
}

// unmet shows the expectations that did not hold, with the place in the runbook,
// and how the command ended when they do not say it.
func (p *printer) unmet(f event.StepComplete, expects []event.StepExpect) {
	for _, e := range expects {
		if !e.Passed {
			p.expectation(e)
		}
	}
	if f.ExitCode != nil && *f.ExitCode != 0 && !hasFailed(expects) {
		p.line(detailIndent, fmt.Sprintf("exit code %d", *f.ExitCode))
	}
	if f.Signal != "" {
		p.line(detailIndent, "ended by signal ", Sanitize(f.Signal))
	}
	if f.Note != "" {
		p.line(detailIndent, Sanitize(f.Note))
	}
}

func (p *printer) expectation(e event.StepExpect) {
	head := Sanitize(e.Expectation)
	if e.Text != "" {
		head += ": " + Sanitize(e.Text)
	}
	if place := where(e.Range); place != "" {
		head += "  " + p.opts.paint(dim, place)
	}
	p.line(detailIndent, head)
	if e.Snippet != "" {
		p.line(indentLines(e.Snippet, detailIndent+"    "))
	}
	if e.Expectation == "assert" && e.Snippet != "" {
		return // expected is what the snippet shows, got is false
	}
	if e.Expected != "" || e.Got != "" {
		p.value("expected", e.Expected)
		p.value("got", e.Got)
	}
}

// value shows one side of a comparison; a long one is cut in the middle of
// nowhere, since the file has it whole.
func (p *printer) value(name, text string) {
	const most = 20
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	label := fmt.Sprintf("%s  %-9s ", detailIndent, name)
	for i, l := range lines {
		if i == most {
			p.line(strings.Repeat(" ", len(label)), fmt.Sprintf("... %d lines more", len(lines)-most))
			return
		}
		l = sanitize(l, true)
		if r := []rune(l); len(r) > 400 {
			l = string(r[:400]) + "..."
		}
		p.line(strings.TrimRight(label+l, " "))
		label = strings.Repeat(" ", len(label))
	}
}

// tail shows the last lines of a stream.
func (p *printer) tail(f event.StepComplete, stream string, kept int64) {
	if kept == 0 {
		return
	}
	file, ok := p.opts.open(f.Step, stream)
	if !ok {
		return
	}
	defer file.Close()
	lines, whole := lastLines(file)
	if len(lines) == 0 {
		return
	}
	title := "all of " + stream
	if !whole {
		title = "the end of " + stream + " (" + size(kept) + ")"
	}
	p.line(detailIndent, p.opts.paint(dim, title+":"))
	for _, l := range lines {
		p.line(detailIndent, strings.TrimPrefix(bar(stream), " "), l)
	}
}

// lastLines returns the last lines of a file, sanitised, and whether they are
// all there is.
func lastLines(file *os.File) (lines []string, whole bool) {
	info, err := file.Stat()
	if err != nil {
		return nil, false
	}
	from := max(0, info.Size()-tailBytes)
	buf := make([]byte, info.Size()-from)
	n, _ := file.ReadAt(buf, from)
	split := lineSplitter{emit: func(line string) { lines = append(lines, line) }}
	split.feed(buf[:n])
	split.end()
	whole = from == 0
	if !whole && len(lines) > 1 {
		lines = lines[1:] // it may have begun before
	}
	if len(lines) > tailLines {
		lines, whole = lines[len(lines)-tailLines:], false
	}
	return lines, whole
}
