package exec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// sessionRunner is the JobRunner that sends steps to targets over sessions.
type sessionRunner struct{ *run }

// jobRun is one job while it runs. It belongs to one goroutine.
type jobRun struct {
	*run
	Task
	own   *plan.JobFacts
	start plan.Start

	// cut is done after the operator's second Ctrl-C.
	cut context.Context
	// steps bounds the steps that are not finally: by the cut, by a halt that
	// cancels, and by the session's timeout once the clock was started.
	steps       context.Context
	cancelSteps context.CancelCauseFunc
	clock       *time.Timer

	opened int          // sessions so far
	shell  *shellClient // the open session of the shell kind, or nil
	tunnel *portTunnel  // of the port kind

	noHelper string // why the helper that the session asks for is not used

	begun  bool // a step began
	result JobResult
}

// RunJob implements JobRunner.
func (r *sessionRunner) RunJob(ctx context.Context, task Task) JobResult {
	j := &jobRun{
		run:    r.run,
		Task:   task,
		own:    task.Facts.Jobs[task.Job.Address],
		cut:    ctx,
		result: JobResult{Outcome: outcome.Passed},
	}
	held, release := task.Brake.untilCancel(ctx)
	defer release()
	j.steps, j.cancelSteps = context.WithCancelCause(held)
	defer j.cancelSteps(context.Canceled)
	defer j.stopClock()
	defer j.closeShell() // also when something below panics
	defer j.closeTunnel()

	if j.prepare() {
		j.runSteps()
		j.runFinally()
		j.closeShell()
		j.closeTunnel()
	}
	j.settleRest()
	return j.result
}

// prepare renders what the job sends before its first step and reports whether
// there is anything to run.
func (j *jobRun) prepare() bool {
	start, diags := j.eval.PrepareJob(j.Job, j.Facts)
	j.opts.Redactor.Add(start.Conceal...)
	j.log.Emit(j.diagnosticFacts(j.Job.Address, diags)...)
	switch {
	case diags.HasErrors():
		j.result = JobResult{Outcome: outcome.Failed, Why: "it could not be prepared: " + firstError(diags)}
	case start.Skip:
		j.result = JobResult{Outcome: outcome.Skipped, Why: start.Why}
	default:
		j.start = start
		return j.holdPort()
	}
	return false
}

func (j *jobRun) runSteps() {
	for _, step := range j.Job.Session.Steps {
		if why, stopped := j.stopped(); stopped {
			j.interrupted(why)
			return
		}
		if j.steps.Err() != nil {
			o, why := stoppedAs(j.steps)
			j.merge("", o, why)
			return
		}
		end := j.runStep(j.steps, step)
		if end.outcome == outcome.NotStarted {
			j.interrupted(end.why)
			return
		}
		j.merge(step.Label, end.outcome, end.why)
		if !goOn(step, end.outcome) {
			return
		}
	}
}

// goOn reports whether the steps after this one run.
func goOn(step *plan.Step, o outcome.Outcome) bool {
	switch o {
	case outcome.Passed, outcome.Skipped:
		return true
	case outcome.Failed, outcome.TimedOut:
		return step.OnFailureContinue
	}
	return false
}

// runFinally runs the finally steps, all of them, unless nothing began, or what
// happened is not known, or the operator wants out.
func (j *jobRun) runFinally() {
	for _, step := range j.Job.Session.Finally {
		switch {
		case j.result.Outcome == outcome.NotStarted, j.result.Outcome == outcome.Unknown, j.cut.Err() != nil:
			return
		case j.result.Outcome == outcome.Unreachable && (!j.begun || j.needsSession(step)):
			continue
		}
		j.own.Outcome, j.own.FailedStep = j.result.Outcome, j.result.FailedStep
		end := j.runStep(j.cut, step)
		if end.outcome != outcome.NotStarted {
			j.merge(step.Label, end.outcome, end.why)
		}
	}
}

// stopped reports whether no further step may start.
func (j *jobRun) stopped() (string, bool) {
	if isClosed(j.failing) {
		return j.unrecorded(), true
	}
	if why, stopped := j.Brake.Stopped(); stopped {
		return why, true
	}
	if j.cut.Err() != nil {
		return "interrupted", true
	}
	return "", false
}

// interrupted ends the job before its next step. One that has begun is
// cancelled, so that nobody takes it for untouched.
func (j *jobRun) interrupted(why string) {
	if j.begun {
		j.merge("", outcome.Cancelled, why)
		return
	}
	j.merge("", outcome.NotStarted, why)
}

// merge takes a step's outcome into the job's, which is the worst of them; the
// first step with that outcome explains it.
func (j *jobRun) merge(label string, o outcome.Outcome, why string) {
	if outcome.Worse(j.result.Outcome, o) == j.result.Outcome {
		return
	}
	if label != "" && why != "" && (j.begun || o != outcome.Unreachable) {
		why = fmt.Sprintf("step %s: %s", label, why)
	}
	j.result.Outcome, j.result.Why = o, why
	if o != outcome.Unreachable { // that is the target's failure, not the step's
		j.result.FailedStep = label
	}
}

// settleRest gives every declared step that did not run its outcome, so that
// later sessions see all of them.
func (j *jobRun) settleRest() {
	for _, steps := range [][]*plan.Step{j.Job.Session.Steps, j.Job.Session.Finally} {
		for _, s := range steps {
			if j.own.Steps[s.Label] == nil {
				j.own.Steps[s.Label] = &plan.StepFacts{Outcome: outcome.NotStarted}
			}
		}
	}
}

// startClock lets the session's timeout run, from when the first step can
// begin: the wait for StartSession's quota is not the target's fault.
func (j *jobRun) startClock() {
	timeout := j.Job.Session.Timeout
	if j.clock != nil || timeout <= 0 {
		return
	}
	j.clock = time.AfterFunc(timeout, func() {
		j.cancelSteps(fmt.Errorf("%w (%s)", errJobTimeout, timeout))
	})
}

func (j *jobRun) stopClock() {
	if j.clock != nil {
		j.clock.Stop()
	}
}

// firstError is the first mistake in one line; the diagnostic itself is an event.
func firstError(diags plan.Diagnostics) string {
	for i, d := range diags {
		if diags[i : i+1].HasErrors() {
			if d.Detail == "" {
				return d.Summary
			}
			return d.Summary + ": " + strings.Join(strings.Fields(d.Detail), " ")
		}
	}
	return "unknown error"
}
