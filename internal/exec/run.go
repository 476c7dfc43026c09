package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// Run runs the plan and returns when every job has ended, the checks and
// outputs were concluded and run_summary is durable. That jobs fail is no
// error: it is in the Summary, which is never nil.
//
// Closing opts.Stopping stops the run: no session and no further step starts,
// running steps finish, finally steps run. Cancelling ctx cuts it: running
// steps get seconds to end, then are unknown, and every session is terminated.
//
// The error says that the run could not be recorded as it has to be, or not
// concluded: the log or the output files could not be written. Nothing starts
// after that.
func Run(ctx context.Context, p *plan.Plan, opts Options) (*Summary, error) {
	return newRun(p, opts).execute(ctx)
}

func (r *run) execute(ctx context.Context) (*Summary, error) {
	if err := r.check(); err != nil {
		return r.broken(), err
	}
	announce := r.opts.Announce
	announce.Jobs = r.jobs()
	if err := r.log.Commit(announce); err != nil {
		return r.broken(), fmt.Errorf("record the run's start: %w", err)
	}
	newCoordinator(ctx, r).loop()
	return r.conclude()
}

// broken is the summary of a run that did not begin.
func (r *run) broken() *Summary {
	s := r.summary()
	s.Broken = true
	return s
}

// run is what the parts of one execution share.
type run struct {
	plan   *plan.Plan
	eval   evaluator // the plan's answers
	opts   Options
	log    *event.Log
	facts  *plan.Facts
	runner JobRunner
	began  time.Time

	tally   outcome.Tally // the coordinator's
	orphans bool          // the coordinator's

	failing chan struct{} // closed when err is set
	asking  chan struct{} // holds a token while the operator is asked

	downloads sync.Map // what step writes a file of this machine: addresses by path

	mu sync.Mutex // protects what follows
	// err is the first internal failure.
	err     error
	refused bool
	open    []OpenSession
}

func newRun(p *plan.Plan, opts Options) *run {
	if opts.StartedAt.IsZero() {
		opts.StartedAt = time.Now()
	}
	if opts.Parallelism <= 0 {
		opts.Parallelism = DefaultParallelism
	}
	if opts.Reason == nil {
		opts.Reason = plainReason
	}
	r := &run{
		plan:    p,
		eval:    p,
		opts:    opts,
		log:     opts.Log,
		facts:   newFacts(p, opts),
		runner:  opts.Runner,
		began:   time.Now(),
		tally:   outcome.Tally{Jobs: map[outcome.Outcome]int{}},
		failing: make(chan struct{}),
		asking:  make(chan struct{}, 1),
	}
	if r.runner == nil {
		r.runner = &sessionRunner{run: r}
	}
	return r
}

func plainReason(text, runID, job string) string {
	return strings.TrimSpace(text + " ssmrun/" + runID + "/" + job)
}

// newFacts has an entry for every job from the start, so that the map itself is
// never written while jobs read it.
func newFacts(p *plan.Plan, opts Options) *plan.Facts {
	facts := &plan.Facts{RunID: opts.RunID, StartedAt: opts.StartedAt, Jobs: map[string]*plan.JobFacts{}}
	for _, s := range p.Sessions {
		for _, j := range s.Jobs {
			facts.Jobs[j.Address] = &plan.JobFacts{Steps: make(map[string]*plan.StepFacts, len(s.Steps)+len(s.Finally))}
		}
	}
	return facts
}

// check refuses what cannot be run, before anything is started.
func (r *run) check() error {
	if r.opts.Runner != nil {
		return nil
	}
	if r.opts.Starter == nil {
		return errors.New("run plan: no way to start sessions")
	}
	return nil
}

func (r *run) jobs() int {
	n := 0
	for _, s := range r.plan.Sessions {
		n += len(s.Jobs)
	}
	return n
}

// fail records an internal failure: nothing more is to start.
func (r *run) fail(err error) {
	r.mu.Lock()
	first := r.err == nil
	if first {
		r.err = err
	}
	r.mu.Unlock()
	if first {
		close(r.failing)
	}
}

// unrecorded is why nothing more starts after a failure.
func (r *run) unrecorded() string {
	return fmt.Sprintf("the run could not be recorded: %v", r.failure())
}

func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// commit records facts durably, or fails the run.
func (r *run) commit(facts ...event.Fact) error {
	err := r.log.Commit(facts...)
	if err != nil {
		r.fail(fmt.Errorf("record the run: %w", err))
	}
	return err
}

// ask puts a question to the operator and records the answer. No answer is no.
func (r *run) ask(ctx context.Context, address, question string) (approved bool, why string) {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return false, "stopped before it was asked"
	}
	if r.opts.Approve == nil {
		why = "there is nobody to ask"
	} else {
		yes, err := r.opts.Approve(ctx, question)
		switch {
		case ctx.Err() != nil:
			return false, "stopped while it was asked"
		case err != nil:
			why = "asking: " + err.Error()
		case yes:
			approved = true
		default:
			why = "refused"
		}
	}
	if !approved {
		r.mu.Lock()
		r.refused = true
		r.mu.Unlock()
	}
	if r.commit(event.Approval{Address: address, Question: question, Approved: approved}) != nil {
		return false, "the answer could not be recorded"
	}
	return approved, why
}

// left notes a session that could not be terminated.
func (r *run) left(s OpenSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, s)
}
