package exec

import (
	"context"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// DefaultParallelism is how many jobs run at a time, over all sessions, when
// Options does not say. A rollout's max_parallel narrows it.
const DefaultParallelism = 1000

// Options is what Run needs besides the plan.
type Options struct {
	RunID     string
	StartedAt time.Time // run.started_at; the zero value means now

	Log      *event.Log      // required
	Redactor *event.Redactor // required: every secret is added before it is used
	Starter  Starter         // required unless Runner is set
	Outputs  Outputs         // nil: output is judged and counted, not kept
	Approve  Approve         // nil: every question is refused
	Runner   JobRunner       // nil: jobs run over sessions of Starter

	// Ping says what AWS knows of a node's agent. It is called by many goroutines,
	// each of which asks for one node of a provider again and again while it
	// restarts. nil: nothing is known, and StartSession is tried alone.
	Ping func(ctx context.Context, provider, target string) (Ping, error)

	Parallelism int             // jobs at a time; 0 = DefaultParallelism
	Stopping    <-chan struct{} // closed by the first Ctrl-C; nil: never

	// Reason makes the reason that AWS records of a session from the runbook's,
	// the run id and the job's address, by which the session can be found again.
	// nil: the three in that order, of any length.
	Reason func(text, runID, job string) string

	// Announce is the run_start event. Run sets its number of jobs.
	Announce event.RunStart
}

// Summary is how a run ended.
type Summary struct {
	Tally      outcome.Tally
	Conclusion plan.Conclusion
	Facts      *plan.Facts
	Duration   time.Duration
	// Mistakes: a check or an output could not be evaluated. The diagnostics
	// are in the Conclusion, and among the events.
	Mistakes bool
	// Broken: the run could not be recorded as it has to be, or not concluded.
	// Run's error says why.
	Broken bool
	// Orphans: StartSession was called for a session whose id is not known. The
	// caller should look for sessions whose reason names this run.
	Orphans bool
	// Open has the sessions whose end could not be confirmed.
	Open []OpenSession
}

// OpenSession is a session that TerminateSession was not able to end.
type OpenSession struct {
	Provider, ID, Job string
	Err               error
}

// ExitCode is what the process owes its caller for this run. A run that broke has
// 1, for what else it tells may be a consequence, unless an outcome is unknown.
func (s *Summary) ExitCode() int {
	code := s.Tally.ExitCode()
	if s.Broken && code != outcome.ExitUnknown || s.Mistakes && code == outcome.ExitPassed {
		return outcome.ExitError
	}
	return code
}
