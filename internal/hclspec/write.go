package hclspec

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// source carries the file that a diagnostic is about, for files that are not
// part of a runbook.
type source struct{ file *File }

// withSource attaches file to the diagnostics that have no extra of their own.
func withSource(diags hcl.Diagnostics, file *File) hcl.Diagnostics {
	for _, diag := range diags {
		if diag.Extra == nil && file != nil {
			diag.Extra = source{file}
		}
	}
	return diags
}

const (
	maxSnippetLines = 12
	minWidth        = 40
	maxShownValue   = 60
)

// WriteDiagnostics writes diags for people, each in a box with the source lines
// it is about, as Terraform does. files has the sources by name; a file that is
// not there is named without lines. A width of 0 neither wraps nor cuts. With
// color the range is underlined by the terminal, else by a line of carets. A
// marked value is never printed, and control characters are shown, not sent.
func WriteDiagnostics(w io.Writer, diags Diagnostics, files map[string]*File, width int, color bool) {
	for _, diag := range diags {
		if diag == nil {
			continue
		}
		p := &printer{width: width, color: color}
		p.diagnostic(diag, fileOf(diag, files))
		io.WriteString(w, p.box(diag.Severity))
	}
}

func fileOf(diag *hcl.Diagnostic, files map[string]*File) *File {
	if diag.Subject == nil {
		return nil
	}
	if extra, ok := diag.Extra.(source); ok && extra.file.Name == diag.Subject.Filename {
		return extra.file
	}
	return files[diag.Subject.Filename]
}

// Snippet returns the source line that a range begins on, without the space
// around it, or "" when rb does not have it.
func (rb *Runbook) Snippet(rng Range) string {
	file := rb.Files[rng.Filename]
	if file == nil || rng.Start.Byte > len(file.Bytes) {
		return ""
	}
	start := bytes.LastIndexByte(file.Bytes[:rng.Start.Byte], '\n') + 1
	line, _, _ := bytes.Cut(file.Bytes[start:], []byte("\n"))
	return strings.TrimSpace(visible(string(line)))
}

// printer collects the lines of one diagnostic.
type printer struct {
	lines []string
	width int
	color bool
}

func (p *printer) line(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *printer) diagnostic(diag *hcl.Diagnostic, file *File) {
	word := "Error"
	if diag.Severity == hcl.DiagWarning {
		word = "Warning"
	}
	p.line("%s%s", p.style(severityColor(diag.Severity)+";1", word+": "), p.style("1", visible(diag.Summary)))
	p.line("")
	if diag.Subject != nil {
		p.snippet(diag, file)
		p.values(diag)
		p.line("")
	}
	if diag.Detail != "" {
		for _, paragraph := range strings.Split(strings.TrimRight(diag.Detail, "\n"), "\n") {
			p.lines = append(p.lines, p.wrap(visible(paragraph))...)
		}
	}
}

func severityColor(severity hcl.DiagnosticSeverity) string {
	if severity == hcl.DiagWarning {
		return "33"
	}
	return "31"
}

func (p *printer) style(code, text string) string {
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// box draws the line at the left of a diagnostic.
func (p *printer) box(severity hcl.DiagnosticSeverity) string {
	var b strings.Builder
	edge := func(s string) string { return p.style(severityColor(severity), s) }
	b.WriteString(edge("╷") + "\n")
	for len(p.lines) > 0 && p.lines[len(p.lines)-1] == "" {
		p.lines = p.lines[:len(p.lines)-1]
	}
	for _, line := range p.lines {
		b.WriteString(strings.TrimRight(edge("│")+" "+line, " ") + "\n")
	}
	b.WriteString(edge("╵") + "\n")
	return b.String()
}

// snippet shows where the diagnostic is.
func (p *printer) snippet(diag *hcl.Diagnostic, file *File) {
	at := *diag.Subject
	header := fmt.Sprintf("  on %s line %d", visible(at.Filename), at.Start.Line)
	if file == nil || at.Start.Byte > len(file.Bytes) || at.End.Byte > len(file.Bytes) || at.End.Byte < at.Start.Byte {
		p.line("%s", header)
		return
	}
	if within, ok := file.nav.(interface{ ContextString(int) string }); ok {
		if text := within.ContextString(at.Start.Byte); text != "" {
			header += ", in " + visible(text)
		}
	}
	p.line("%s:", header)
	if at.Start.Byte == at.End.Byte {
		at.End.Byte = min(at.End.Byte+1, len(file.Bytes))
	}
	start := bytes.LastIndexByte(file.Bytes[:at.Start.Byte], '\n') + 1
	for number, shown := at.Start.Line, 0; start <= at.End.Byte && start < len(file.Bytes); number++ {
		end := len(file.Bytes)
		if i := bytes.IndexByte(file.Bytes[start:], '\n'); i >= 0 {
			end = start + i
		}
		if start >= at.End.Byte && shown > 0 {
			break
		}
		if shown++; shown > maxSnippetLines {
			p.line("     …")
			break
		}
		p.sourceLine(number, file.Bytes[start:end], at.Start.Byte-start, at.End.Byte-start)
		start = end + 1
	}
}

// sourceLine shows one line, with the bytes from..to of it underlined.
func (p *printer) sourceLine(number int, line []byte, from, to int) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	from = min(max(from, 0), len(line))
	to = min(max(to, from), len(line))
	if from == 0 && to == len(line) || to == from {
		// The middle of a long range: the indentation is not part of it.
		if to > from {
			from = min(len(line)-len(bytes.TrimLeft(line, " \t")), to)
		}
	}
	before, marked, after := expand(line[:from]), expand(line[from:to]), expand(line[to:])
	before, marked, after = p.fit(before, marked, after)
	gutter := fmt.Sprintf("%4d: ", number)
	p.line("%s%s%s%s", gutter, before, p.style("4", marked), after)
	if n := utf8.RuneCountInString(marked); n > 0 && !p.color {
		p.line("%s%s", strings.Repeat(" ", len(gutter)+utf8.RuneCountInString(before)), strings.Repeat("^", n))
	}
}

// fit cuts a line to the width, around what is marked.
func (p *printer) fit(before, marked, after string) (string, string, string) {
	limit := 400
	if p.width > 0 {
		limit = max(p.width, minWidth) - len("│ ") - len("   1: ")
	}
	b, m, a := []rune(before), []rune(marked), []rune(after)
	if len(b)+len(m)+len(a) <= limit {
		return before, marked, after
	}
	if len(m) > limit/2 {
		if len(m)-1 > limit/2 {
			m = append(slices.Clone(m[:limit/2]), '…')
		}
	}
	room := max(limit-len(m), 2)
	left := min(len(b), max(room/2, room-len(a)))
	if left < len(b) {
		b = append([]rune{'…'}, b[len(b)-max(left-1, 0):]...)
	}
	if right := max(room-len(b), 1); right < len(a) {
		a = append(slices.Clone(a[:right-1]), '…')
	}
	return string(b), string(m), string(a)
}

// expand makes source text printable: tabs are two spaces wide.
func expand(line []byte) string {
	return strings.ReplaceAll(visible(string(line)), "\t", "  ")
}

// visible replaces control characters, which a terminal would act on.
func visible(s string) string {
	clean := func(r rune) bool {
		return r != '\t' && r != '\n' && (unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r))
	}
	if strings.IndexFunc(s, clean) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// wrap breaks a paragraph at spaces. Text that is indented is left alone.
func (p *printer) wrap(text string) []string {
	limit := max(p.width, minWidth) - len("│ ")
	if p.width == 0 || strings.HasPrefix(text, " ") || utf8.RuneCountInString(text) <= limit {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > limit {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
