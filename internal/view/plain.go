package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// fewJobs is up to how many jobs the beginning of each step gets a line.
const fewJobs = 10

// NewPlain returns a view that prints a line a fact, for terminals and logs,
// and a summary when the run ends.
func NewPlain(w io.Writer, opts Options) View {
	p := &printer{w: w, opts: opts}
	return &plainView{
		printer: p,
		sum:     newSummary(p),
		steps:   map[stepKey][]event.StepExpect{},
		shown:   map[string]int{},
		live:    map[streamKey]*lineSplitter{},
	}
}

// plainView is the fold behind NewPlain.
type plainView struct {
	*printer
	sum  *summary
	jobs int // of the run

	steps  map[stepKey][]event.StepExpect // expectations whose step is not complete
	shown  map[string]int                 // failures shown in full, by what they have in common
	live   map[streamKey]*lineSplitter    // output under way, when verbose
	queue  queued
	silent bool // only what concerns more than one job, and trouble
}

type stepKey struct {
	address string
	attempt int
}

type streamKey struct {
	stepKey
	stream string
}

func (v *plainView) Close() error { return v.err }

func (v *plainView) Record(rec event.Record) {
	v.sum.record(rec)
	if _, queued := rec.Fact.(event.SessionQueued); !queued {
		v.tellQueued(rec.Time)
	}
	switch f := rec.Fact.(type) {
	case event.RunStart:
		v.jobs = f.Jobs
		text := "run " + Sanitize(rec.RunID) + ": " + count(f.Jobs, "job")
		if f.Directory != "" {
			text += "; output is kept in " + Sanitize(f.Directory)
		}
		v.say(rec.Time, "", text)
	case event.LogFact:
		v.say(rec.Time, "", v.levelled(f.Level(), strings.TrimLeft(indentLines(f.Text, detailIndent), " ")))
	case event.Diagnostic:
		v.diagnostic(rec.Time, f)
	case event.Approval:
		v.say(rec.Time, "", Sanitize(f.Message()))
	case event.CheckComplete:
		v.check(rec.Time, f)
	case event.WaveStart, event.WaveComplete, event.WavePause, event.WaveHalted:
		v.wave(rec.Time, f)
	case event.RunSummary:
		v.sum.write(rec.RunID)
		v.sum.whereNext(rec.RunID)
	default:
		v.jobRecord(rec)
	}
}

// jobRecord shows a fact about one job.
func (v *plainView) jobRecord(rec event.Record) {
	at := rec.Time
	switch f := rec.Fact.(type) {
	case event.SessionQueued:
		v.queuedRecord(at, f)
	case event.SessionStart:
		v.queue.remove(f.Address)
	case event.SessionReady:
		v.queue.remove(f.Address)
		if f.NoHelper != "" {
			v.say(at, who(f.Target, f.Name), v.opts.paint(yellow, Sanitize(f.Session)+": helper is not used: "+Sanitize(f.NoHelper)))
		}
		if v.chatty() {
			text := Sanitize(f.Session) + ": session ready in " + millis(f.DurationMS)
			if f.LocalPort > 0 {
				text += fmt.Sprintf(", local port %d", f.LocalPort)
			}
			v.say(at, who(f.Target, f.Name), text)
		}
	case event.SessionReconnect:
		if f.Attempt&(f.Attempt-1) != 0 {
			return // at first often, then now and then
		}
		v.say(at, who(f.Target, f.Name), v.opts.paint(yellow,
			fmt.Sprintf("%s: connection lost, attempt %d to resume: %s", Sanitize(f.Session), f.Attempt, Sanitize(f.Cause))))
	case event.SessionComplete:
		if f.Error != "" && f.SessionID != "" { // one that never was is told by the outcome
			v.say(at, who(f.Target, f.Name), v.opts.paint(yellow, Sanitize(f.Session)+": session ended: "+Sanitize(f.Error)))
		}
	case event.StepStart:
		v.stepStart(at, f)
	case event.StepOutput:
		v.stepOutput(at, f)
	case event.StepProgress:
		v.stepProgress(at, f)
	case event.StepExpect:
		key := stepKey{f.Address, f.Attempt}
		v.steps[key] = append(v.steps[key], f)
	case event.StepCapture:
		v.capture(at, f)
	case event.StepComplete:
		v.stepComplete(at, f)
	case event.JobComplete:
		v.queue.remove(f.Address)
		v.jobComplete(at, f)
	}
}

// chatty: the beginnings of things are shown too.
func (v *plainView) chatty() bool {
	return !v.silent && (v.opts.Verbose || v.jobs <= fewJobs)
}

// say prints one line; subject is the target it is about.
func (v *plainView) say(at time.Time, subject, text string) {
	if subject != "" {
		subject = v.opts.paint(bold, subject) + "  "
	}
	v.line(v.opts.paint(dim, v.clock(at)), "  ", subject, text)
}

func (v *plainView) levelled(level, text string) string {
	switch level {
	case event.LevelError:
		return v.opts.paint(red, text)
	case event.LevelWarn:
		return v.opts.paint(yellow, text)
	}
	return text
}

func (v *plainView) diagnostic(at time.Time, f event.Diagnostic) {
	text := v.levelled(f.Level(), Sanitize(f.Message()))
	if f.Address != "" {
		text += " (" + Sanitize(f.Address) + ")"
	}
	if place := where(f.Range); place != "" {
		text += " at " + place
	}
	v.say(at, "", text)
	if f.Snippet != "" {
		v.line(indentLines(f.Snippet, detailIndent+"  "))
	}
	if f.Detail != "" {
		v.line(indentLines(f.Detail, detailIndent))
	}
}

func (v *plainView) check(at time.Time, f event.CheckComplete) {
	text := Sanitize(f.Address) + ": " + v.opts.outcomeText(f.Outcome)
	if f.Text != "" {
		text += ": " + Sanitize(f.Text)
	}
	if place := where(f.Range); place != "" && f.Outcome != outcome.Passed {
		text += " (" + place + ")"
	}
	v.say(at, "", text)
}

func (v *plainView) wave(at time.Time, fact event.Fact) {
	switch f := fact.(type) {
	case event.WaveStart:
		if f.Of == 1 && v.silent {
			return
		}
		text := fmt.Sprintf("%s: wave %d of %d: %s", Sanitize(f.Session), f.Wave, f.Of, count(len(f.Targets), "target"))
		if f.Of == 1 {
			text = fmt.Sprintf("%s: %s", Sanitize(f.Session), count(len(f.Targets), "target"))
		}
		v.say(at, "", text)
	case event.WaveComplete:
		if f.Of > 1 {
			v.say(at, "", fmt.Sprintf("%s: wave %d of %d complete: %s", Sanitize(f.Session), f.Wave, f.Of, v.opts.tally(f.Outcomes)))
		}
	case event.WavePause:
		v.say(at, "", fmt.Sprintf("%s: pausing %s before wave %d of %d", Sanitize(f.Session),
			setting(time.Duration(f.DurationMS)*time.Millisecond), f.Wave, f.Of))
	case event.WaveHalted:
		v.say(at, "", v.opts.paint(red, fmt.Sprintf("%s: HALTED in wave %d: %s; nothing more is started",
			Sanitize(f.Session), f.Wave, Sanitize(f.Reason))))
	}
}

func (v *plainView) jobComplete(at time.Time, f event.JobComplete) {
	for key := range v.steps {
		if strings.HasPrefix(key.address, f.Address+".") {
			delete(v.steps, key)
		}
	}
	quiet := f.Outcome == outcome.Passed || f.Outcome == outcome.Skipped || f.Outcome == outcome.NotStarted
	if v.silent && (quiet || f.FailedStep != "") {
		return
	}
	if f.Outcome == outcome.NotStarted && v.jobs > fewJobs {
		return // a halt leaves hundreds; the summary lists them
	}
	text := Sanitize(f.Session) + ": " + v.opts.outcomeText(f.Outcome)
	if f.FailedStep != "" {
		text += " at step " + Sanitize(f.FailedStep)
	}
	text += took(f)
	if f.FailedStep == "" && f.Why != "" {
		text += ": " + Sanitize(f.Why)
	}
	v.say(at, who(f.Target, f.Name), text)
}
