package view

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// colour of an outcome or a kind of line.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours text that is safe already.
func (o Options) paint(colour, s string) string {
	if !o.Color || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// outcomeText names an outcome, in its colour.
func (o Options) outcomeText(v outcome.Outcome) string {
	return o.paint(outcomeColour(v), outcomeWord(v))
}

// outcomeWord is how people read an outcome. An Unknown one from a newer
// version is shown as it is.
func outcomeWord(v outcome.Outcome) string {
	switch v {
	case outcome.TimedOut:
		return "timed out"
	case outcome.NotStarted:
		return "not started"
	case "":
		return "no outcome"
	}
	return Sanitize(string(v))
}

func outcomeColour(v outcome.Outcome) string {
	switch v {
	case outcome.Passed:
		return green
	case outcome.Skipped:
		return dim
	case outcome.NotStarted, outcome.Cancelled:
		return yellow
	}
	return red
}

// tally counts outcomes, best first: `18 passed, 2 failed`.
func (o Options) tally(counts map[outcome.Outcome]int) string {
	var parts []string
	for _, v := range outcome.All {
		if n := counts[v]; n > 0 {
			parts = append(parts, o.paint(outcomeColour(v), fmt.Sprintf("%d %s", n, outcomeWord(v))))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// duration rounds to what a person wants to know: 412 ms, 3.2 s, 2m05s.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		d = d.Truncate(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Truncate(time.Minute)
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// setting is a duration as somebody wrote it in a runbook: 10m, 1h30m, 1.5s.
func setting(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// took says how long a job took. One that was not begun took no time, whatever
// the clock says.
func took(f event.JobComplete) string {
	if f.DurationMS == 0 || f.Outcome == outcome.Skipped || f.Outcome == outcome.NotStarted {
		return ""
	}
	return " after " + millis(f.DurationMS)
}

// millis is a duration of so many milliseconds.
func millis(ms int64) string { return duration(time.Duration(ms) * time.Millisecond) }

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return count(int(n), "byte")
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// who names a target: by its name, or its id.
func who(id, name string) string {
	if name != "" {
		return label(name)
	}
	return label(id)
}

// whoFully names a target with its id.
func whoFully(id, name string) string {
	if name != "" && name != id {
		return label(name) + " (" + label(id) + ")"
	}
	return label(id)
}

// label makes a name safe to stand where only our words do: one that could be
// taken for more than a name is quoted.
func label(name string) string {
	s := Sanitize(name)
	if s != name || strings.Contains(s, "  ") || strings.TrimSpace(s) != s {
		return `"` + s + `"`
	}
	return s
}

// where is the place in a runbook, `web.ssm.hcl:12`, "" without one.
func where(r *event.Range) string {
	if r == nil || r.Filename == "" {
		return ""
	}
	return Sanitize(r.String())
}

// list fills lines with words that are kept whole and joined by commas. The
// first line begins with head, the others below its first word.
func list(head string, words []string, width int) string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	if len(indent) > width/3 {
		indent = head[:len(head)-len(strings.TrimLeft(head, " "))] + "  "
	}
	var b strings.Builder
	b.WriteString(head)
	column := utf8.RuneCountInString(head)
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		n := utf8.RuneCountInString(w)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += n
	}
	return b.String()
}

// indentLines puts indent before each line of a text that may have several,
// and sanitises them.
func indentLines(text, indent string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(indent + sanitize(line, true))
	}
	return b.String()
}
