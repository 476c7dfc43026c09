package awscli

import (
	"math"
	"strings"

	"golang.org/x/text/width"
)

const (
	ansiReset = "\x1b[0m"
	ansiValue = "\x1b[1m\x1b[34m" // bright blue
	ansiFrame = "\x1b[2m\x1b[33m" // dim yellow
)

// displayWidth is how many cells text takes: two for what East Asian fonts
// show wide, which the CLI takes the ambiguous for as well.
func displayWidth(text string) int {
	n := 0
	for _, r := range text {
		n++
		switch width.LookupRune(r).Kind() {
		case width.EastAsianAmbiguous, width.EastAsianWide, width.EastAsianFullwidth:
			n++
		}
	}
	return n
}

type tableRenderer struct {
	out   strings.Builder
	color bool
	reset bool // after each write, as the CLI does with --color on
	frame int  // sections around this one
}

func (r *tableRenderer) render(sections []*section, terminal int) string {
	widest := widestSection(sections)
	if widest > terminal {
		for i, s := range sections {
			sections[i] = s.vertical()
		}
		widest = widestSection(sections)
	}
	r.write(strings.Repeat("-", widest) + "\n")
	for _, s := range sections {
		r.frame = s.indent
		r.section(s, widest-2*s.indent)
	}
	return r.out.String()
}

func widestSection(sections []*section) int {
	widest := 0
	for _, s := range sections {
		total := 2 + 2*s.indent
		for _, w := range s.widths {
			total += w + 4
		}
		widest = max(widest, total, displayWidth(s.title)+2+2*s.indent)
	}
	return widest
}

// vertical turns a section of one row into lines of header and value.
func (s *section) vertical() *section {
	if len(s.rows) != 1 || len(s.headers) == 0 {
		return s
	}
	v := &section{title: s.title, indent: s.indent, columns: 2}
	for i := range min(len(s.headers), len(s.rows[0])) {
		_ = v.row([]string{s.headers[i], s.rows[0][i]}) // two cells, as columns says
	}
	return v
}

// write is one write of the CLI to its stream.
func (r *tableRenderer) write(text string) {
	r.out.WriteString(text)
	if r.reset {
		r.out.WriteString(ansiReset)
	}
}

// line writes a line inside the frames around its section.
func (r *tableRenderer) line(text string) {
	frame := "|"
	if r.color {
		frame = ansiFrame + "|" + ansiReset
	}
	r.write(strings.Repeat(frame, r.frame))
	r.write(text)
	r.write(strings.Repeat(frame, r.frame))
	r.write("\n")
}

func (r *tableRenderer) section(s *section, total int) {
	if s.title != "" {
		r.line(centered(s.title, total, "|"))
		if len(s.headers) == 0 && len(s.rows) == 0 {
			r.line("+" + strings.Repeat("-", max(0, total-2)) + "+")
		}
	}
	widths := s.scaled(total)
	if len(s.headers) > 0 {
		r.line(rule(widths))
		text, left := "", "|"
		for i, h := range s.headers {
			text += centered(h, widths[i], left)
			left = ""
		}
		r.line(text)
	}
	if len(s.rows) == 0 || len(widths) == 0 {
		return
	}
	r.line(rule(widths))
	for _, row := range s.rows {
		text, left := "", "|"
		for i, cell := range row {
			text += r.cell(cell, widths[i], left)
			left = ""
		}
		r.line(text)
	}
	r.line(rule(widths))
}

// scaled stretches the columns to a total, the way the CLI rounds.
func (s *section) scaled(total int) []int {
	widths := make([]int, len(s.widths))
	sum := 0
	for _, w := range s.widths {
		sum += w + 4
	}
	if sum == 0 {
		return widths
	}
	scale, off := float64(total)/float64(sum), -total
	for i, w := range s.widths {
		widths[i] = int(math.RoundToEven(scale * float64(w+4)))
		off += widths[i]
	}
	for off != 0 {
		for i := range widths {
			if off > 0 {
				widths[i]--
				off--
			} else if off < 0 {
				widths[len(widths)-1-i]++
				off++
			}
		}
	}
	return widths
}

func rule(widths []int) string {
	text := ""
	for i, w := range widths {
		if i == 0 {
			text, w = "+", w-1
		}
		text += strings.Repeat("-", max(0, w-1)) + "+"
	}
	return text
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }

func centered(text string, total int, left string) string {
	n := displayWidth(text)
	before := total/2 - n/2 - 1
	return left + spaces(before) + text + spaces(total-1-len(left)-before-n) + "|"
}

func (r *tableRenderer) cell(text string, total int, left string) string {
	n, padding := displayWidth(text), 2
	if n+2+len(left)+1 > total {
		padding = 0
	}
	if r.color {
		text = ansiValue + text + ansiReset
	}
	return left + spaces(padding) + text + spaces(total-len(left)-padding-n-1) + "|"
}
