package view

import (
	"fmt"
	"io"
	"time"
)

// WriteHistory shows runs as a table, in the order given.
func WriteHistory(w io.Writer, runs []Run, opts Options) error {
	p := &printer{w: w, opts: opts}
	if len(runs) == 0 {
		p.line("No runs.")
		return p.err
	}
	loc := opts.Location
	if loc == nil {
		loc = time.Local
	}
	rows := [][]string{{"RUN", "STARTED", "TOOK", "RESULT", "JOBS", "RUNBOOK"}}
	for _, r := range runs {
		started, took := "-", "-"
		if !r.StartedAt.IsZero() {
			started = r.StartedAt.In(loc).Format("2006-01-02 15:04:05")
			took = duration(r.EndedAt.Sub(r.StartedAt))
		}
		jobs := Options{}.tally(r.Jobs)
		if r.Err != nil {
			jobs = Sanitize(r.Err.Error())
		}
		rows = append(rows, []string{Sanitize(r.ID), started, took, result(r), jobs, Sanitize(r.Runbook)})
	}
	for _, row := range table(rows) {
		p.line(row)
	}
	return p.err
}

// result is a run's end in a word or two.
func result(r Run) string {
	if r.Status != "complete" {
		return Sanitize(r.Status)
	}
	if r.ExitCode == 0 {
		return "passed"
	}
	return fmt.Sprintf("exit %d", r.ExitCode)
}
