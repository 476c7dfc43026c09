package exec

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// coordinator decides what runs when. Its loop is the only goroutine that
// touches its fields and the rollouts; jobs, pauses and questions run beside it
// and post what came of them.
type coordinator struct {
	*run
	ctx context.Context

	rollouts    []*rollout
	starts      startPlaces // run-wide
	parallelism int
	running     int // jobs
	outstanding int // goroutines whose last message has not come
	turn        int // the rollout that is looked at first

	inbox   chan message
	stopped string // why nothing more starts, "" while it does

	// windDown is cancelled when the run stops: pauses and questions end.
	windDown context.Context
	settle   context.CancelFunc
}

// message is something for the loop to do.
type message struct {
	do   func()
	last bool // its goroutine posts nothing more
}

func newCoordinator(ctx context.Context, r *run) *coordinator {
	c := &coordinator{
		run:         r,
		ctx:         ctx,
		parallelism: r.opts.Parallelism,
		inbox:       make(chan message),
	}
	c.windDown, c.settle = context.WithCancel(ctx)
	byAddress := map[string]*rollout{}
	var all []*plan.Job
	for _, s := range r.plan.Sessions {
		ro := newRollout(s)
		c.rollouts = append(c.rollouts, ro)
		byAddress[s.Address] = ro
		all = append(all, s.Jobs...)
	}
	for _, ro := range c.rollouts {
		for _, address := range ro.session.DependsOn {
			if dep := byAddress[address]; dep != nil && dep != ro {
				dep.next = append(dep.next, ro)
				ro.waits++
			}
		}
	}
	c.starts = newStartPlaces(all, c.parallelism)
	return c
}

// loop runs the plan to its end. It returns when nothing runs any more.
func (c *coordinator) loop() {
	defer c.settle()
	c.checkStop()
	for _, ro := range c.rollouts {
		if ro.waits == 0 && ro.phase == waiting {
			c.begin(ro)
		}
	}
	stopping, cut, failing := c.opts.Stopping, c.ctx.Done(), (<-chan struct{})(c.failing)
	for {
		if !c.done() { // an interruption after the last job changes nothing
			c.checkStop()
		}
		c.dispatch()
		if c.outstanding == 0 {
			break
		}
		select {
		case m := <-c.inbox:
			if m.last {
				c.outstanding--
			}
			m.do()
		case <-stopping:
			stopping = nil
		case <-cut:
			cut = nil
		case <-failing:
			failing = nil
		}
	}
	if !c.done() { // dependencies that go round in a circle
		c.fail(errors.New("run the plan: sessions wait for each other"))
		c.stop("it waits for itself")
	}
}

// done reports whether all rollouts have ended.
func (c *coordinator) done() bool {
	for _, ro := range c.rollouts {
		if ro.phase != ended {
			return false
		}
	}
	return true
}

// spawn runs f beside the loop; f returns what the loop is to do then.
func (c *coordinator) spawn(f func() func()) {
	c.outstanding++
	go func() { c.inbox <- message{do: f(), last: true} }()
}

// checkStop notices an interruption or an internal failure.
func (c *coordinator) checkStop() {
	switch {
	case isClosed(c.failing):
		c.stop(c.unrecorded())
	case c.ctx.Err() != nil || c.opts.Stopping != nil && isClosed(c.opts.Stopping):
		c.tally.Interrupted = true
		c.stop("interrupted")
	default:
		return
	}
	for _, ro := range c.rollouts {
		ro.brake.pull(c.stopped, false)
	}
}

// halt stops the run because a rollout used up its budget. Running jobs wind
// down as their own session's on_halt says.
func (c *coordinator) halt(ro *rollout) {
	if c.tally.Halted {
		return
	}
	c.tally.Halted = true
	budget := ro.session.Rollout.MaxFailures
	reason := fmt.Sprintf("%d jobs did not pass, %d allowed", ro.failures, budget)
	if ro.failures == 1 {
		reason = fmt.Sprintf("1 job did not pass, %d allowed", budget)
	}
	c.commit(event.WaveHalted{
		Address:  ro.session.Address,
		Session:  ro.session.Name,
		Wave:     ro.wave + 1,
		Failures: ro.failures,
		Budget:   budget,
		Reason:   reason,
	})
	why := fmt.Sprintf("%s halted: %s", ro.session.Address, reason)
	for _, other := range c.rollouts {
		switch other.session.Rollout.OnHalt {
		case "finish_job":
		case "cancel":
			other.brake.pull(why, true)
		default:
			other.brake.pull(why, false)
		}
	}
	c.stop(why)
}

// stop ends all that waits; it does nothing to what runs.
func (c *coordinator) stop(why string) {
	if c.stopped != "" {
		return
	}
	c.stopped = why
	c.settle()
	for _, ro := range c.rollouts {
		switch ro.phase {
		case waiting:
			c.abandon(ro, outcome.NotStarted, why)
		case going:
			for _, j := range ro.queue.rest() {
				c.settleJob(ro, j, outcome.NotStarted, why)
			}
			if ro.running == 0 {
				c.waveEnded(ro)
			}
		}
	}
}

// dispatch starts jobs while there is room, one of each rollout in turn.
func (c *coordinator) dispatch() {
	idle := 0
	for c.stopped == "" && c.running < c.parallelism && idle < len(c.rollouts) {
		ro := c.rollouts[c.turn%len(c.rollouts)]
		c.turn++
		job := ro.take(c.starts)
		if job == nil {
			idle++
			continue
		}
		idle = 0
		c.launch(ro, job)
	}
}

func (c *coordinator) launch(ro *rollout, job *plan.Job) {
	provider := job.Target.Provider
	c.running++
	c.starts.take(provider)
	ro.running++
	ro.starts.take(provider)

	waits := true // for its session; the loop's
	release := func() {
		if waits {
			waits = false
			c.starts.give(provider)
			ro.starts.give(provider)
		}
	}
	c.spawn(func() func() {
		started := sync.OnceFunc(func() { c.inbox <- message{do: release} })
		result := c.runJob(ro, job, started)
		return func() {
			release()
			c.running--
			ro.running--
			c.jobEnded(ro, job, result)
		}
	})
}

// runJob runs one job and makes its result durable. A panic becomes that job's
// unknown outcome.
func (c *coordinator) runJob(ro *rollout, job *plan.Job, started func()) (result JobResult) {
	began := time.Now()
	func() {
		defer func() {
			if p := recover(); p != nil {
				result = JobResult{Outcome: outcome.Unknown, Orphan: true, Why: fmt.Sprintf("internal error: %v", p)}
				c.log.Emit(event.LogFact{Severity: "error", Text: fmt.Sprintf("%s: internal error: %v\n%s", job.Address, p, debug.Stack())})
			}
		}()
		result = c.runner.RunJob(c.ctx, Task{Job: job, Facts: c.facts, Brake: ro.brake, Started: started})
	}()
	if result.Outcome == "" {
		result.Outcome, result.Why = outcome.Unknown, "it ended without an outcome"
	}
	facts := c.facts.Jobs[job.Address]
	facts.Outcome = result.Outcome
	facts.FailedStep = result.FailedStep
	facts.Duration = time.Since(began)
	c.commit(event.JobComplete{
		Job:        jobIdent(job),
		Outcome:    result.Outcome,
		FailedStep: result.FailedStep,
		Why:        result.Why,
		DurationMS: facts.Duration.Milliseconds(),
	})
	return result
}

// jobEnded counts a result and goes on with its rollout.
func (c *coordinator) jobEnded(ro *rollout, job *plan.Job, result JobResult) {
	c.orphans = c.orphans || result.Orphan
	c.tally.Jobs[result.Outcome]++
	ro.count(job, result)
	if ro.overBudget() {
		c.halt(ro)
	}
	if ro.phase == going && ro.running == 0 && ro.queue.Len() == 0 {
		c.waveEnded(ro)
	}
}

// settleJob gives a job that never ran its outcome.
func (c *coordinator) settleJob(ro *rollout, job *plan.Job, o outcome.Outcome, why string) {
	c.tally.Jobs[o]++
	ro.waveOutcomes[o]++
	ro.block(job, o)
	c.facts.Jobs[job.Address].Outcome = o
	c.log.Emit(event.JobComplete{Job: jobIdent(job), Outcome: o, Why: why})
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
