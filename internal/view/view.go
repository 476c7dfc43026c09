package view

import (
	"io"
	"os"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// View shows the records of one run. Record is called in the order of the log,
// by one goroutine. Close shows what is left to show and returns the first error
// of the writer; after such an error nothing more is written.
type View interface {
	Record(rec event.Record)
	Close() error
}

// Options say how to show things. The zero value is plain text without colour
// and without the output of steps.
type Options struct {
	Color   bool
	Width   int  // columns of the terminal; 0: 100
	Verbose bool // the output of steps that pass too, and their commands

	// Plan is the plan that runs, if it is known.
	Plan *plan.Plan

	// StartRate, when not 0, is how many StartSession calls a second the run
	// will make, whatever its providers say; +Inf is no limit, as in the lab.
	StartRate float64

	// Output opens the file of one attempt's stream; nil, or an error, and no
	// output is shown. index is the step's place from 0, -1 when not known.
	Output func(session, target string, index int, step string, attempt int, stream string) (*os.File, error)

	// Location is the time zone of the times; nil: the local one.
	Location *time.Location
}

func (o Options) width() int {
	if o.Width > 0 {
		return max(o.Width, 40)
	}
	return 100
}

// open opens a stream of a step's attempt.
func (o Options) open(step event.Step, stream string) (*os.File, bool) {
	if o.Output == nil {
		return nil, false
	}
	f, err := o.Output(step.Session, step.Target, step.Index-1, step.Step, step.Attempt, stream)
	return f, err == nil
}

// printer writes text and remembers the first error.
type printer struct {
	w    io.Writer
	opts Options
	err  error
}

func (p *printer) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

func (p *printer) line(parts ...string) {
	text := ""
	for _, s := range parts {
		text += s
	}
	p.write(text + "\n")
}

// clock is the time of day of a record.
func (p *printer) clock(t time.Time) string {
	loc := p.opts.Location
	if loc == nil {
		loc = time.Local
	}
	return t.In(loc).Format("15:04:05")
}
