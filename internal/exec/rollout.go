package exec

import (
	"fmt"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// phase of a rollout.
type phase int

const (
	waiting phase = iota // for the sessions it depends on
	going                // a wave runs
	resting              // between waves: a pause, or a question
	ended
)

// rollout is the state of one session's jobs. It decides nothing about time and
// starts nothing; the coordinator does.
type rollout struct {
	session *plan.Session
	brake   *Brake
	waits   int        // sessions it depends on that have not ended
	next    []*rollout // sessions that depend on it

	phase        phase
	wave         int // from 0
	queue        jobQueue
	running      int
	starts       startPlaces
	failures     int
	waveOutcomes map[outcome.Outcome]int // of the current wave
	// blocked is why sessions that depend on this one are skipped, "" when
	// they are not.
	blocked string
}

func newRollout(s *plan.Session) *rollout {
	return &rollout{
		session:      s,
		brake:        newBrake(),
		starts:       newStartPlaces(s.Jobs, s.Rollout.MaxParallel),
		waveOutcomes: map[outcome.Outcome]int{},
	}
}

// waveJobs returns the jobs of a wave. A rollout without waves has one.
func (ro *rollout) waveJobs(wave int) []*plan.Job {
	waves, jobs := ro.session.Rollout.Waves, ro.session.Jobs
	from, to := 0, len(jobs) // the last wave has all that is left
	if wave > 0 {
		from = min(waves[wave-1], len(jobs))
	}
	if wave < len(waves)-1 {
		to = min(waves[wave], len(jobs))
	}
	return jobs[from:to]
}

func (ro *rollout) waves() int { return max(1, len(ro.session.Rollout.Waves)) }

// fill makes the wave's jobs ready to be taken.
func (ro *rollout) fill(wave int) {
	ro.phase, ro.wave = going, wave
	ro.queue = newJobQueue(ro.waveJobs(wave))
	ro.waveOutcomes = map[outcome.Outcome]int{}
}

// take removes and returns the job that is to start next, or nil when none may.
func (ro *rollout) take(runWide startPlaces) *plan.Job {
	limit := ro.session.Rollout.MaxParallel
	if ro.phase != going || limit > 0 && ro.running >= limit {
		return nil
	}
	return ro.queue.take(func(provider string) bool {
		return runWide.free(provider) && ro.starts.free(provider)
	})
}

// count notes a job that ran.
func (ro *rollout) count(job *plan.Job, result JobResult) {
	ro.waveOutcomes[result.Outcome]++
	if result.Outcome.CountsAgainstBudget() {
		ro.failures++
	}
	if result.Outcome != outcome.Skipped { // a job that skips itself holds nobody up
		ro.block(job, result.Outcome)
	}
}

func (ro *rollout) block(job *plan.Job, o outcome.Outcome) {
	if o != outcome.Passed && ro.blocked == "" {
		ro.blocked = fmt.Sprintf("%s, which it depends on, ended %s", job.Address, o)
	}
}

func (ro *rollout) overBudget() bool {
	budget := ro.session.Rollout.MaxFailures
	return budget >= 0 && ro.failures > budget
}
