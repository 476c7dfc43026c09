package exec

import (
	"context"
	"io"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// Starter starts and ends sessions. It is used by many goroutines.
type Starter interface {
	// Start calls StartSession, waiting for the quota first and telling
	// progress so, and connects the channel. Nothing has been started when it
	// returns an error, unless the error has a method `Ambiguous() bool` that
	// says so. Cancelling ctx ends the wait; it does not end a session that was
	// returned.
	Start(ctx context.Context, call plan.Call, streams Streams, progress func(plan.Progress)) (*channel.Session, error)

	// Terminate calls TerminateSession. To terminate twice is no error.
	Terminate(ctx context.Context, provider, sessionID string) error
}

// Streams is where a session's output goes. The writers are called from one
// goroutine of the session, in order; OnReconnect may be called from another.
type Streams struct {
	Stdout, Stderr io.Writer
	OnReconnect    func(attempt int, cause error)
}

// Outputs keeps the output of steps. It is used by many goroutines.
type Outputs interface {
	// Open makes the place for one attempt's output. What is written has been
	// masked already.
	Open(job *plan.Job, step *plan.Step, attempt int) (stdout, stderr Stream, err error)
}

// Stream takes one stream of an attempt. It may keep fewer bytes than were
// written to it.
type Stream interface {
	io.WriteCloser
	Kept() int64    // bytes in the file so far
	SHA256() string // of those bytes, in hex
	Cut() bool      // bytes are missing in the file: it has a limit
}

// evaluator is what a plan answers at run time.
type evaluator interface {
	PrepareJob(*plan.Job, *plan.Facts) (plan.Start, plan.Diagnostics)
	Prepare(*plan.Job, *plan.Step, int, *plan.Facts) (plan.Work, plan.Diagnostics)
	Record(*plan.Job, *plan.Step, *plan.Facts) (stdout, stderr *plan.Recording)
	Answer(*plan.Job, *plan.Step, int, *plan.Facts, *plan.Recording) (answer []byte, conceal []string, diags plan.Diagnostics)
	Judge(*plan.Job, *plan.Step, *plan.Facts, plan.Result) plan.Verdict
	Conclude(*plan.Facts) plan.Conclusion
	SourceLine(plan.Range) string
}

// Approve asks the operator a question and returns the answer. Cancelling ctx
// withdraws the question. Questions come one at a time.
type Approve func(ctx context.Context, question string) (bool, error)

// JobRunner runs one job to its end. The one of this package opens a session
// to the target; a mock, a replay or a remote worker are others.
type JobRunner interface {
	// RunJob runs task.Job and reports what happens on the way as events, from
	// session_queued to step_complete. It writes what it learns of the steps
	// into task.Facts.Jobs[task.Job.Address] and nowhere else; of the other
	// entries it may read those of sessions that this job's session depends on.
	//
	// A closed task.Brake winds the job down; a done ctx cuts it off: what has
	// no result then is unknown, and RunJob returns within seconds with nothing
	// left behind on this machine.
	RunJob(ctx context.Context, task Task) JobResult
}

// Task is one job to run.
type Task struct {
	Job   *plan.Job
	Facts *plan.Facts
	Brake *Brake
	// Started is to be called when the job no longer waits for its session to
	// start, so that another may wait in its place. More calls do nothing.
	Started func()
}

// JobResult is how a job ended.
type JobResult struct {
	Outcome    outcome.Outcome
	FailedStep string // label of the step that decided it, "" when none did
	Why        string // one line for people, "" when it passed
	// Orphan: a session may be open on the target whose id is not known.
	Orphan bool
}
