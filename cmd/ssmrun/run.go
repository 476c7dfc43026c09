package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/exec"
	"github.com/ssmrun/ssmrun/internal/fleet"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/runstore"
	"github.com/ssmrun/ssmrun/internal/view"
)

// runsRoot is where runs are kept, relative to the directory ssmrun works in.
var runsRoot = filepath.Join(".ssmrun", "runs")

// sweepTime bounds the search for sessions that may have been left open.
const sweepTime = 30 * time.Second

// run executes the plan: journal and outputs on disk, a view on stdout.
func (a *applying) run(in *interrupts, u *ui, p *prepared, approve *approver) (*exec.Summary, error) {
	started := time.Now()
	store, err := runstore.Create(runsRoot, runstore.NewID(started))
	if err != nil {
		return nil, fmt.Errorf("keep the run: %w", err)
	}
	defer store.Close()
	text, err := p.plan.JSON()
	if err != nil {
		return nil, err
	}
	if err := store.SavePlan(text); err != nil {
		return nil, err
	}

	redactor := event.NewRedactor()
	log := event.NewLog(store.ID(), store, redactor)
	redactor.Warn(func(message string) { log.Emit(event.LogFact{Severity: "warn", Text: message}) })
	redactor.Add(p.secrets...)
	opts := view.Options{
		Color: u.colorOut, Width: u.width, Verbose: a.verbose,
		Plan: p.plan, StartRate: p.startRate, Output: store.ReadOutput,
	}
	shown := show(log, a.view(u, opts))
	// The journal says by itself which version wrote it, and what was planned.
	log.Emit(versionFact)
	log.Emit(view.PlanFacts(p.plan, opts)...)

	summary, runErr := exec.Run(in.ctx, p.plan, exec.Options{
		RunID:     store.ID(),
		StartedAt: started,
		Log:       log,
		Redactor:  redactor,
		Starter:   starter{p.fleet},
		Outputs:   outputs{store},
		Ping: func(ctx context.Context, provider, target string) (exec.Ping, error) {
			ping, err := p.fleet.Ping(ctx, provider, target)
			return exec.Ping(ping), err
		},
		Approve: func(ctx context.Context, question string) (bool, error) {
			shown.until(ctx, log.Last()) // the answer depends on what was seen
			return approve.question(ctx, question)
		},
		Parallelism: a.parallelism,
		Stopping:    in.stopping,
		Reason:      fleet.Reason,
		Announce:    a.announcement(p, store),
	})
	if summary.Orphans || len(summary.Open) > 0 {
		sweep(u, p.fleet, summary, store.ID())
	}
	logErr := log.Close()
	viewErr := <-shown.ended
	if logErr != nil {
		logErr = rescue(logErr, log, store.ID())
	}
	if err := errors.Join(runErr, logErr); err != nil {
		summary.Broken = true
		return summary, exitError{code: summary.ExitCode(), err: err}
	}
	// The run is what counts: that nobody reads what is shown, as in
	// `ssmrun apply | head`, does not change its exit code.
	if viewErr != nil && !errors.Is(viewErr, syscall.EPIPE) {
		fmt.Fprintf(u.stderr, "Warning: show the run: %v\n", viewErr)
	}
	return summary, nil
}

// announcement says what is run: a runbook, or the command of exec.
func (a *applying) announcement(p *prepared, store *runstore.Run) event.RunStart {
	if a.adhoc != nil {
		return event.RunStart{Command: a.adhoc, Directory: store.Dir()}
	}
	return event.RunStart{Runbook: p.dir, Directory: store.Dir()}
}

// sweep looks for sessions of this run that are open still and terminates
// them. What cannot be found out is said; it does not change the run's verdict.
func sweep(u *ui, f *fleet.Fleet, summary *exec.Summary, runID string) {
	ctx, cancel := context.WithTimeout(context.Background(), sweepTime)
	defer cancel()
	ended, err := f.Sweep(ctx, runID)
	for _, id := range ended {
		fmt.Fprintf(u.stderr, "Terminated session %s, which was open still.\n", view.Sanitize(id))
	}
	if err == nil {
		return
	}
	fmt.Fprintf(u.stderr, "Warning: look for sessions that are open still: %v\n", err)
	for _, s := range summary.Open {
		fmt.Fprintf(u.stderr, "Warning: session %s of %s may be open still: %v\n", view.Sanitize(s.ID), view.Sanitize(s.Job), s.Err)
	}
}

// rescue writes the events that the journal did not take to a file here, or
// where temporary files are: what the journal lacked is mostly space.
func rescue(cause error, log *event.Log, runID string) error {
	records := log.Unwritten()
	path, err := runstore.Rescue(".", runID, records)
	if err != nil {
		path, err = runstore.Rescue(os.TempDir(), runID, records)
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	return fmt.Errorf("write the journal: %w; the events it did not take are in %s", cause, path)
}

// starter lets exec start sessions with fleet.
type starter struct{ fleet *fleet.Fleet }

func (s starter) Start(ctx context.Context, call plan.Call, streams exec.Streams, progress func(plan.Progress)) (*channel.Session, error) {
	return s.fleet.Start(ctx, call, fleet.Output(streams), progress)
}

func (s starter) Terminate(ctx context.Context, provider, sessionID string) error {
	return s.fleet.Terminate(ctx, provider, sessionID)
}

// outputs lets exec keep output in a run's directory.
type outputs struct{ store *runstore.Run }

func (o outputs) Open(job *plan.Job, step *plan.Step, attempt int) (stdout, stderr exec.Stream, err error) {
	out, err := o.store.Output(job.Session.Name, job.Target.ID, step.Index, step.Label, attempt)
	if err != nil {
		return nil, nil, err
	}
	if job.Session.MaxOutput > 0 {
		out.Limit(job.Session.MaxOutput)
	}
	return out.Stdout, out.Stderr, nil
}
