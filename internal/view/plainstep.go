package view

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

const (
	// fullFailures is how many equal failures of one step are shown in full.
	fullFailures = 3
	// maxLive is how much output one record may bring to the screen; a log
	// that fell behind has merged megabytes into one.
	maxLive = 256 << 10
)

func (v *plainView) stepStart(at time.Time, f event.StepStart) {
	if !v.chatty() {
		return
	}
	text := stepName(f.Step) + ": started"
	if v.opts.Verbose && f.Command != "" {
		v.say(at, who(f.Target, f.Name), text+":")
		v.line(indentLines(f.Command, detailIndent+"  "))
		return
	}
	v.say(at, who(f.Target, f.Name), text)
}

// stepName is the step within its session, with the attempt if it is not the
// first.
func stepName(s event.Step) string {
	name := Sanitize(s.Session) + " > " + Sanitize(s.Step)
	if s.Attempt > 1 {
		name += fmt.Sprintf(" (attempt %d)", s.Attempt)
	}
	return name
}

// stepOutput shows output as it comes: `|` before stdout and `!` before stderr.
func (v *plainView) stepOutput(at time.Time, f event.StepOutput) {
	if !v.opts.Verbose || v.silent {
		return
	}
	key := streamKey{stepKey{f.Address, f.Attempt}, f.Stream}
	lines := v.live[key]
	if lines == nil {
		prefix := who(f.Target, f.Name) + "  " + Sanitize(f.Step.Step) + bar(f.Stream)
		lines = &lineSplitter{emit: func(line string) { v.line(prefix, line) }}
		v.live[key] = lines
	}
	file, ok := v.opts.open(f.Step, f.Stream)
	if !ok {
		return
	}
	defer file.Close()
	shown := min(f.Length, maxLive)
	part, _ := io.ReadAll(io.NewSectionReader(file, f.Offset, shown))
	lines.feed(part)
	if more := f.Length - shown; more > 0 {
		lines.end()
		v.line(who(f.Target, f.Name), "  ", Sanitize(f.Step.Step), bar(f.Stream), v.opts.paint(dim, "... "+size(more)+" more, in the file"))
	}
}

// stepProgress shows how far a transfer is.
func (v *plainView) stepProgress(at time.Time, f event.StepProgress) {
	if v.silent {
		return
	}
	text := stepName(f.Step) + ": " + size(f.Done)
	if f.Total > 0 {
		text += " of " + size(f.Total)
	}
	v.say(at, who(f.Target, f.Name), text)
}

func bar(stream string) string {
	if stream == "stderr" {
		return " ! "
	}
	return " | "
}

func (v *plainView) capture(at time.Time, f event.StepCapture) {
	if !v.opts.Verbose || v.silent {
		return
	}
	value := "(sensitive value)"
	if !f.Sensitive {
		value = oneLine(f.Value)
	}
	v.say(at, who(f.Target, f.Step.Name), stepName(f.Step)+": "+Sanitize(f.Name)+" = "+value)
}

// oneLine shortens a JSON value to what fits behind a name.
func oneLine(value json.RawMessage) string {
	const most = 120
	s := Sanitize(string(value))
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

func (v *plainView) stepComplete(at time.Time, f event.StepComplete) {
	key := stepKey{f.Address, f.Attempt}
	expects := v.steps[key]
	delete(v.steps, key)
	for _, stream := range []string{"stdout", "stderr"} {
		k := streamKey{key, stream}
		if lines := v.live[k]; lines != nil {
			lines.end()
			delete(v.live, k)
		}
	}
	good := f.Outcome == outcome.Passed || f.Outcome == outcome.Skipped
	switch {
	case good && v.silent:
	case good:
		v.say(at, who(f.Target, f.Name), stepName(f.Step)+": "+v.opts.outcomeText(f.Outcome)+passedDetail(f))
	case !f.Final:
		v.say(at, who(f.Target, f.Name), stepName(f.Step)+": "+v.opts.paint(yellow, outcomeWord(f.Outcome)+", trying again")+reason(f, expects))
	default:
		v.stepFailed(at, f, expects)
	}
}

func passedDetail(f event.StepComplete) string {
	if f.Outcome == outcome.Skipped {
		if f.Why != "" {
			return ": " + Sanitize(f.Why)
		}
		return ""
	}
	text := " in " + millis(f.DurationMS)
	if f.ExitCode != nil && *f.ExitCode != 0 {
		text += fmt.Sprintf(" with exit code %d", *f.ExitCode)
	}
	if f.Note != "" {
		text += ": " + Sanitize(f.Note)
	}
	return text
}

// reason says in one line why a step did not pass, and what else is known of it.
func reason(f event.StepComplete, expects []event.StepExpect) string {
	text := cause(f, expects)
	switch {
	case f.Note == "":
		return text
	case text == "":
		return ": " + Sanitize(f.Note)
	}
	return text + "; " + Sanitize(f.Note)
}

// cause says in one line why a step did not pass.
func cause(f event.StepComplete, expects []event.StepExpect) string {
	for _, e := range expects {
		if e.Passed {
			continue
		}
		if e.Text != "" {
			return ": " + Sanitize(e.Text)
		}
		return fmt.Sprintf(": %s: expected %s, got %s", Sanitize(e.Expectation), shorten(e.Expected), shorten(e.Got))
	}
	if f.Why != "" {
		return ": " + Sanitize(f.Why)
	}
	return ""
}

// shorten keeps a value readable within a line.
func shorten(s string) string {
	const most = 80
	s = Sanitize(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// stepFailed shows a failure in full, or in one line when the same failure of
// the same step was shown often enough.
func (v *plainView) stepFailed(at time.Time, f event.StepComplete, expects []event.StepExpect) {
	why := reason(f, expects)
	text := stepName(f.Step) + ": " + v.opts.paint(red, outcomeWord(f.Outcome)) + " in " + millis(f.DurationMS)
	same := f.Session + "\x00" + f.Step.Step + "\x00" + string(f.Outcome) + why
	v.shown[same]++
	if v.silent {
		v.say(at, who(f.Target, f.Name), text+why)
		return
	}
	if v.shown[same] > fullFailures {
		v.say(at, who(f.Target, f.Name), text+why+" (like others before)")
		return
	}
	v.say(at, who(f.Target, f.Name), text+headline(f, expects))
	if v.opts.Verbose {
		v.unmet(f, expects) // the output was shown as it came
		return
	}
	v.failure(f, expects)
}

// headline is the cause, unless the expectations that are shown below it say it.
func headline(f event.StepComplete, expects []event.StepExpect) string {
	if hasFailed(expects) {
		return ""
	}
	return cause(f, nil)
}

func hasFailed(expects []event.StepExpect) bool {
	for _, e := range expects {
		if !e.Passed {
			return true
		}
	}
	return false
}
