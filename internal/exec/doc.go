// Package exec runs a plan: jobs in parallel, wave after wave, within the
// budget, with retries, time limits and interruption; and it says honestly how
// each ended.
//
// # Words
//
// Run is one execution of a plan. A rollout sends the jobs of one session
// block out, wave by wave. A job is one session block on one target; a
// JobRunner runs it. The one of this package opens the job's session through a
// Starter, sends its steps, and asks the plan what each result means. A Brake
// tells a running job to wind down.
//
// # Rules
//
// An intent is durable before anything leaves this process: session_start
// before StartSession is called, step_start before a command is sent. A
// result is durable before the next step begins. When the log cannot be
// written, nothing more starts.
//
// What is not known to have passed has not passed. unreachable is said only
// when no command left; timed_out and cancelled only when the end of the
// command was seen; everything else that has no result is unknown, ends its
// job, and is not tried again unless the step is idempotent.
//
// TerminateSession is called for every session that was started, also after
// a failure, a panic or an interruption, and within a limit of its own.
//
// The coordinator is one goroutine and owns the state of all rollouts; a
// goroutine exists for each job that runs, none for one that waits. Every
// goroutine started here has ended when Run returns.
//
// # What it does not do
//
// It evaluates nothing (plan does), knows neither AWS (fleet does) nor the
// wire (channel and shell do), and prints nothing: it commits events.
package exec
