package exec

import (
	"cmp"
	"context"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// ending is how an attempt ended.
type ending struct {
	result   plan.Result     // to be judged, when outcome is ""
	outcome  outcome.Outcome // otherwise the verdict: there is nothing to judge
	why      string
	captures map[string]plan.Value
	// note is what else to say of an attempt that did not pass.
	note string
	// said is what to say of it, whatever its outcome.
	said string
	// again: another attempt may follow, although there is nothing to judge.
	again bool
	// silent: no intent was recorded, so nothing is recorded of the end.
	silent bool
}

// stepEnd is how a step ended, or its attempt.
type stepEnd struct {
	outcome outcome.Outcome
	why     string
	retry   bool // another attempt is due
}

// runStep makes the attempts at a step and returns how it ended.
func (j *jobRun) runStep(ctx context.Context, step *plan.Step) stepEnd {
	var first time.Time
	var last stepEnd
	for attempt := 1; ; attempt++ {
		end := j.attempt(ctx, step, attempt, &first)
		if attempt > 1 && neverRan(end.outcome) {
			// That this attempt did not run does not undo the ones before.
			end.outcome = outcome.Worse(last.outcome, end.outcome)
			end.why = last.why + "; then: " + end.why
			j.own.Steps[step.Label].Outcome = end.outcome
		}
		if !end.retry || !j.delay(ctx, step, attempt+1) {
			return end
		}
		last = end
	}
}

func neverRan(o outcome.Outcome) bool {
	return o == outcome.NotStarted || o == outcome.Unreachable || o == outcome.Cancelled
}

// delay waits before an attempt and reports whether it may be made.
func (j *jobRun) delay(ctx context.Context, step *plan.Step, attempt int) bool {
	if !step.Finally {
		c, release := j.Brake.untilStop(ctx)
		defer release()
		ctx = c
	}
	return sleep(ctx, step.Retry.DelayBefore(attempt))
}

// attempt is one try at a step.
type attempt struct {
	*jobRun
	step   *plan.Step
	number int
	first  *time.Time // when the first attempt began, once it did
	work   plan.Work
	out    *stepOutput
	began  time.Time
	// session is this attempt's own, of the command or document kind, until it
	// is ended.
	session *openSession
}

func (j *jobRun) attempt(ctx context.Context, step *plan.Step, number int, first *time.Time) stepEnd {
	a := &attempt{jobRun: j, step: step, number: number, first: first}
	work, diags := j.eval.Prepare(j.Job, step, number, j.Facts)
	j.opts.Redactor.Add(work.Conceal...)
	a.work = work
	facts := j.diagnosticFacts(stepAddress(j.Job, step), diags)
	switch {
	case diags.HasErrors():
		j.begun = true
		return a.record(ending{outcome: outcome.Failed, why: firstError(diags)}, false, facts...)
	case work.Skip:
		return a.record(ending{outcome: outcome.Skipped, why: work.Why}, false, facts...)
	}
	j.log.Emit(facts...)
	defer a.endOwnSession() // once the result is durable
	return a.finish(ctx, a.perform(ctx))
}

// needsSession reports whether a step has anything to send to the target, or
// through it.
func (j *jobRun) needsSession(step *plan.Step) bool {
	switch step.Action {
	case plan.ActionWait, plan.ActionApprove:
		return false
	case plan.ActionLocalCommand:
		return jobKind(j.Job) == plan.KindPort
	}
	return true
}

func (a *attempt) perform(ctx context.Context) ending {
	switch {
	case a.step.Action == plan.ActionWait:
		return a.wait(ctx)
	case a.step.Action == plan.ActionApprove:
		return a.approve(ctx)
	case a.step.Action == plan.ActionLocalCommand && jobKind(a.Job) == plan.KindPort:
		return a.overTunnel(ctx)
	case a.step.Action == plan.ActionLocalCommand:
		return a.local(ctx)
	case a.step.Action == plan.ActionUpload, a.step.Action == plan.ActionDownload:
		return a.overTransfer(ctx)
	case a.step.Action == plan.ActionDocument:
		return a.overDocument(ctx)
	case a.step.Action == plan.ActionReboot:
		return a.reboot(ctx)
	case jobKind(a.Job) == plan.KindCommand:
		return a.overCommand(ctx)
	default:
		return a.overShell(ctx)
	}
}

// open makes the place for the output. Without one the step does not start:
// what it says would be lost.
func (a *attempt) open() error {
	out, err := a.openOutput(a.Job, a.step, a.number)
	if err != nil {
		a.fail(err)
		return err
	}
	a.out = out
	return nil
}

// intent is step_start.
func (a *attempt) intent() event.Fact {
	return event.StepStart{
		Step:       stepIdent(a.Job, a.step, a.number),
		Command:    a.work.Display,
		Idempotent: a.step.Idempotent,
	}
}

// commence opens the output, records the intent, and lets the clocks run.
func (a *attempt) commence() (ending, bool) {
	if err := a.open(); err != nil {
		return ending{outcome: outcome.NotStarted, why: err.Error(), silent: true}, false
	}
	if err := a.commit(a.intent()); err != nil {
		return ending{outcome: outcome.NotStarted, why: "its start could not be recorded", silent: true}, false
	}
	a.begin()
	return ending{}, true
}

// begin notes that the work itself begins now.
func (a *attempt) begin() {
	a.begun = true
	a.began = time.Now()
	if a.first.IsZero() {
		*a.first = a.began
	}
	a.startClock()
}

// finish closes the output, judges what came back, and records it.
func (a *attempt) finish(ctx context.Context, e ending) stepEnd {
	if a.out != nil {
		if err := a.out.close(); err != nil {
			a.fail(err)
		}
	}
	if e.silent {
		return stepEnd{outcome: e.outcome, why: e.why}
	}
	if e.outcome != "" {
		again := (e.again || e.outcome == outcome.Unknown && a.step.Idempotent) && a.mayRetry(ctx)
		return a.record(e, again)
	}
	e.result.Attempt = a.number
	e.result.Stdout, e.result.Stderr = a.out.stdout.recording, a.out.stderr.recording
	verdict := a.eval.Judge(a.Job, a.step, a.Facts, e.result)
	a.opts.Redactor.Add(verdict.Conceal...)
	e.outcome = verdict.Outcome
	if e.outcome != outcome.Passed && e.why == "" {
		e.why = complaint(verdict)
	}
	facts := a.diagnosticFacts(stepAddress(a.Job, a.step), verdict.Diagnostics)
	facts = append(facts, a.expectations(verdict)...)
	facts = append(facts, a.captures(verdict)...)
	e.captures = verdict.Captures
	return a.record(e, verdict.Retry && a.mayRetry(ctx), facts...)
}

// mayRetry reports whether there is an attempt left, and the time for it.
func (a *attempt) mayRetry(ctx context.Context) bool {
	r := a.step.Retry
	if a.number >= r.Attempts || ctx.Err() != nil {
		return false
	}
	if _, stopped := a.stopped(); stopped && !a.step.Finally {
		return false
	}
	return r.Within <= 0 || a.first.IsZero() || time.Since(*a.first)+r.DelayBefore(a.number+1) < r.Within
}

// record makes the end of an attempt durable, after the given facts.
func (a *attempt) record(e ending, retry bool, facts ...event.Fact) stepEnd {
	duration := e.result.Duration
	if duration == 0 && !a.began.IsZero() {
		duration = time.Since(a.began)
	}
	place := rangeOf(a.step.Range)
	if e.outcome == outcome.Passed || e.outcome == outcome.Skipped {
		e.note, place = "", nil
	}
	complete := event.StepComplete{
		Step:       stepIdent(a.Job, a.step, a.number),
		Outcome:    e.outcome,
		ExitCode:   e.result.ExitCode,
		Signal:     e.result.Signal,
		DurationMS: duration.Milliseconds(),
		Verified:   e.result.Verified,
		Final:      !retry,
		Why:        e.why,
		Note:       cmp.Or(e.said, e.note),
		Range:      place,
	}
	if a.out != nil {
		out, err := a.out.stdout.counts(), a.out.stderr.counts()
		complete.StdoutBytes, complete.StderrBytes = out.written, err.written
		complete.StdoutKept, complete.StderrKept = out.kept, err.kept
		complete.StdoutSHA256, complete.StderrSHA256 = out.sha256, err.sha256
		complete.StdoutMasked, complete.StderrMasked = out.masked, err.masked
		complete.StdoutCut, complete.StderrCut = out.cut, err.cut
	}
	a.own.Steps[a.step.Label] = &plan.StepFacts{
		Outcome:  e.outcome,
		ExitCode: e.result.ExitCode,
		Duration: duration,
		Attempt:  a.number,
		Captures: e.captures,
	}
	_ = a.commit(append(facts, complete)...) // a failure stops the run before the next step
	return stepEnd{outcome: e.outcome, why: e.why, retry: retry}
}
