package outcome

// Outcome is the verdict on a step, a job or a run. The zero value means that
// there is no verdict yet.
type Outcome string

const (
	Passed      Outcome = "passed"
	Failed      Outcome = "failed"      // an expectation, assertion or command said no
	TimedOut    Outcome = "timed_out"   // we stopped it, and saw its end
	Unreachable Outcome = "unreachable" // no command left the process
	Unknown     Outcome = "unknown"     // it may have run, and its end was not seen
	Cancelled   Outcome = "cancelled"   // the operator stopped it, and we saw its end
	Skipped     Outcome = "skipped"     // its `when` was false, or what it depends on did not pass
	NotStarted  Outcome = "not_started" // never began: halt, interruption or an earlier failure
)

// All lists every outcome, worst last, in the order summaries use.
// A skipped step does not change its job's verdict, so skipped ranks lowest.
var All = []Outcome{Skipped, Passed, NotStarted, Cancelled, Unreachable, TimedOut, Failed, Unknown}

// severity is the position in All; the zero Outcome ranks below all.
func (o Outcome) severity() int {
	for i, v := range All {
		if v == o {
			return i
		}
	}
	return -1
}

// Worse returns the worse of the two verdicts. A job takes the worst of its
// steps.
func Worse(a, b Outcome) Outcome {
	if b.severity() > a.severity() {
		return b
	}
	return a
}

// CountsAgainstBudget reports whether a job with this outcome uses up a
// rollout's max_failures.
func (o Outcome) CountsAgainstBudget() bool {
	switch o {
	case Failed, TimedOut, Unreachable, Unknown:
		return true
	}
	return false
}

// The exit codes of ssmrun, but for start-session, which has the AWS CLI's.
const (
	ExitPassed      = 0
	ExitError       = 1 // usage, configuration or internal error
	ExitChanges     = 2 // plan -detailed-exitcode: there is something to run
	ExitFailed      = 3 // an expectation, command or check failed or timed out
	ExitUnreachable = 4
	ExitHalted      = 5
	ExitUnknown     = 6
	ExitRefused     = 7 // approval refused
	ExitStale       = 8 // the saved plan is stale
	ExitInterrupted = 130
)

// Tally is what a run's exit code is made of.
type Tally struct {
	Jobs         map[Outcome]int // number of jobs by outcome
	ChecksFailed bool            // a check's assertion was false
	Halted       bool            // a rollout used up its budget
	Interrupted  bool            // the operator stopped the run
	Refused      bool            // an approval inside the run was refused
}

// ExitCode returns the process's exit code: of 6, 5, 3 and 4 the first that
// applies, in that order, and 130 when interrupted, unless 6 applies.
func (t Tally) ExitCode() int {
	switch {
	case t.Jobs[Unknown] > 0:
		return ExitUnknown
	case t.Interrupted:
		return ExitInterrupted
	case t.Halted:
		return ExitHalted
	case t.Jobs[Failed] > 0 || t.Jobs[TimedOut] > 0 || t.ChecksFailed:
		return ExitFailed
	case t.Jobs[Unreachable] > 0:
		return ExitUnreachable
	case t.Refused:
		return ExitRefused
	case t.Jobs[Cancelled] > 0:
		return ExitInterrupted
	}
	return ExitPassed
}
