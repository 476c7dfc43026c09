package view

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Run is a run as `show` and `history` introduce it.
type Run struct {
	ID        string
	Dir       string
	Status    string // running, complete, interrupted or damaged
	StartedAt time.Time
	EndedAt   time.Time // of the last record
	Runbook   string
	Jobs      map[outcome.Outcome]int // that have ended
	Planned   int                     // jobs
	ExitCode  int                     // when complete
	Err       error                   // when damaged
}

// WriteShow shows one run from its records: what it was, every job with its
// steps, the output of those that failed (of all when Verbose), and the summary.
// A journal that cannot be read to its end is shown as far as it goes, and its
// error is returned.
func WriteShow(w io.Writer, run Run, records iter.Seq2[event.Record, error], opts Options) error {
	v := &showView{printer: &printer{w: w, opts: opts}, jobs: map[string]*shownJob{}}
	v.sum = newSummary(v.printer)
	v.header(run)
	var damage error
	for rec, err := range records {
		if err != nil {
			damage = err
			break
		}
		v.record(rec)
	}
	for _, j := range v.order {
		v.job(j)
	}
	v.end(run, damage)
	if damage != nil {
		return damage
	}
	return v.err
}

type showView struct {
	*printer
	sum   *summary
	jobs  map[string]*shownJob // by session and target
	order []*shownJob
}

// shownJob is what is known of one job.
type shownJob struct {
	session, target, name string
	done                  *event.JobComplete
	attempts              []*shownAttempt
}

type shownAttempt struct {
	start    event.StepStart
	step     event.Step
	at       time.Time
	done     *event.StepComplete
	expects  []event.StepExpect
	captures []event.StepCapture
}

func (v *showView) header(run Run) {
	v.line(v.opts.paint(bold, "Run "+Sanitize(run.ID)), ": ", v.status(run))
	if !run.StartedAt.IsZero() {
		loc := v.opts.Location
		if loc == nil {
			loc = time.Local
		}
		v.line("  started  ", run.StartedAt.In(loc).Format("2006-01-02 15:04:05 MST"))
	}
	if run.Runbook != "" {
		v.line("  runbook  ", Sanitize(run.Runbook))
	}
	if run.Dir != "" {
		v.line("  kept in  ", Sanitize(run.Dir))
	}
	v.line()
}

func (v *showView) status(run Run) string {
	switch run.Status {
	case "complete":
		if run.ExitCode == 0 {
			return v.opts.paint(green, "passed")
		}
		return v.opts.paint(red, fmt.Sprintf("did not pass (exit code %d)", run.ExitCode))
	case "running":
		return v.opts.paint(yellow, "is running")
	case "interrupted":
		return v.opts.paint(red, "was interrupted: the process that ran it ended before the run did")
	}
	return v.opts.paint(red, Sanitize(run.Status))
}

func (v *showView) record(rec event.Record) {
	v.sum.record(rec)
	switch f := rec.Fact.(type) {
	case event.SessionStart:
		v.of(f.Session, f.Target, f.Name)
	case event.StepStart:
		v.attempt(f.Step, rec.Time).start = f
	case event.StepExpect:
		a := v.attempt(f.Step, rec.Time)
		a.expects = append(a.expects, f)
	case event.StepCapture:
		a := v.attempt(f.Step, rec.Time)
		a.captures = append(a.captures, f)
	case event.StepComplete:
		v.attempt(f.Step, rec.Time).done = &f
	case event.JobComplete:
		v.of(f.Session, f.Target, f.Name).done = &f
	}
}

func (v *showView) of(session, target, name string) *shownJob {
	key := session + "\x00" + target
	j := v.jobs[key]
	if j == nil {
		j = &shownJob{session: session, target: target, name: name}
		v.jobs[key] = j
		v.order = append(v.order, j)
	}
	return j
}

func (v *showView) attempt(s event.Step, at time.Time) *shownAttempt {
	j := v.of(s.Session, s.Target, s.Name)
	for i := len(j.attempts) - 1; i >= 0; i-- {
		if a := j.attempts[i]; a.step.Address == s.Address && a.step.Attempt == s.Attempt {
			return a
		}
	}
	a := &shownAttempt{step: s, at: at}
	j.attempts = append(j.attempts, a)
	return a
}

func (v *showView) job(j *shownJob) {
	head := v.opts.paint(bold, whoFully(j.target, j.name)) + "  " + Sanitize(j.session) + ": "
	if j.done == nil {
		head += v.opts.paint(yellow, "no end recorded")
	} else {
		head += v.opts.outcomeText(j.done.Outcome) + took(*j.done)
		if j.done.Why != "" && j.done.FailedStep == "" {
			head += ": " + Sanitize(j.done.Why)
		}
	}
	v.line(head)
	for _, a := range j.attempts {
		v.step(a)
	}
}

func (v *showView) step(a *shownAttempt) {
	name := Sanitize(a.step.Step)
	if a.step.Attempt > 1 {
		name += fmt.Sprintf(" (attempt %d)", a.step.Attempt)
	}
	if a.done == nil {
		v.line("  ", name, ": ", v.opts.paint(yellow, "unknown: it started, and no end was recorded"))
		return
	}
	f := *a.done
	text := "  " + name + ": " + v.opts.outcomeText(f.Outcome)
	if f.Outcome == outcome.Passed || f.Outcome == outcome.Skipped {
		v.line(text, passedDetail(f), v.sizes(f))
	} else {
		v.line(text, " in ", millis(f.DurationMS), headline(f, a.expects), v.sizes(f))
		v.failure(f, a.expects)
	}
	if !v.opts.Verbose {
		return
	}
	if a.start.Command != "" {
		v.line(indentLines(a.start.Command, detailIndent+"  "))
	}
	for _, c := range a.captures {
		value := "(sensitive value)"
		if !c.Sensitive {
			value = oneLine(c.Value)
		}
		v.line(detailIndent, Sanitize(c.Name), " = ", value)
	}
	if f.Outcome == outcome.Passed {
		v.whole(f, "stdout")
		v.whole(f, "stderr")
	}
}

// sizes says how much the step wrote, and what is not in the files.
func (v *showView) sizes(f event.StepComplete) string {
	var parts []string
	if f.StdoutBytes > 0 {
		parts = append(parts, size(f.StdoutBytes)+" of stdout"+cutText(f.StdoutCut))
	}
	if f.StderrBytes > 0 {
		parts = append(parts, size(f.StderrBytes)+" of stderr"+cutText(f.StderrCut))
	}
	if len(parts) == 0 {
		return ""
	}
	return v.opts.paint(dim, "  ("+strings.Join(parts, ", ")+")")
}

func cutText(cut bool) string {
	if cut {
		return ", not all kept"
	}
	return ""
}

// whole shows a stream from its beginning.
func (v *showView) whole(f event.StepComplete, stream string) {
	file, ok := v.opts.open(f.Step, stream)
	if !ok {
		return
	}
	defer file.Close()
	prefix := detailIndent + strings.TrimPrefix(bar(stream), " ")
	lines := lineSplitter{emit: func(l string) { v.line(prefix, l) }}
	n, _ := io.CopyN(feeder{&lines}, file, maxFolded)
	lines.end()
	if info, err := file.Stat(); err == nil && info.Size() > n {
		v.line(prefix, v.opts.paint(dim, "... "+size(info.Size()-n)+" more, in the file"))
	}
}

// feeder is a lineSplitter as a writer.
type feeder struct{ *lineSplitter }

func (f feeder) Write(p []byte) (int, error) { f.feed(p); return len(p), nil }

func (v *showView) end(run Run, damage error) {
	if v.sum.ended {
		v.sum.write(run.ID)
		return
	}
	if len(v.order) > 0 {
		v.line()
	}
	v.sum.notPassed()
	v.sum.open()
	v.line("Jobs that ended: ", v.opts.tally(v.sum.counts), fmt.Sprintf(" (of %d planned).", v.sum.start.Jobs))
	if damage != nil {
		v.line(v.opts.paint(red, Sanitize(damage.Error())), "; what comes after is not shown.")
	}
}
