package exec

import (
	"slices"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// jobQueue has the jobs of a wave that wait, in order, one line for each
// provider: a line whose provider cannot start more does not hold the others up.
type jobQueue struct{ lines []queueLine }

type queueLine struct {
	provider string
	jobs     []queuedJob
}

type queuedJob struct {
	position int
	job      *plan.Job
}

func newJobQueue(jobs []*plan.Job) jobQueue {
	var q jobQueue
	index := map[string]int{}
	for position, j := range jobs {
		at, ok := index[j.Target.Provider]
		if !ok {
			at = len(q.lines)
			index[j.Target.Provider] = at
			q.lines = append(q.lines, queueLine{provider: j.Target.Provider})
		}
		q.lines[at].jobs = append(q.lines[at].jobs, queuedJob{position, j})
	}
	return q
}

func (q *jobQueue) Len() int {
	n := 0
	for _, l := range q.lines {
		n += len(l.jobs)
	}
	return n
}

// take removes and returns the first job whose provider may start one.
func (q *jobQueue) take(free func(provider string) bool) *plan.Job {
	best := -1
	for i, l := range q.lines {
		if len(l.jobs) == 0 || !free(l.provider) {
			continue
		}
		if best < 0 || l.jobs[0].position < q.lines[best].jobs[0].position {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	job := q.lines[best].jobs[0].job
	q.lines[best].jobs = q.lines[best].jobs[1:]
	return job
}

// rest removes and returns all jobs that wait, in order.
func (q *jobQueue) rest() []*plan.Job {
	var all []queuedJob
	for _, l := range q.lines {
		all = append(all, l.jobs...)
	}
	q.lines = nil
	slices.SortFunc(all, func(a, b queuedJob) int { return a.position - b.position })
	jobs := make([]*plan.Job, len(all))
	for i, a := range all {
		jobs[i] = a.job
	}
	return jobs
}

// startPlaces bounds how many jobs of each provider may wait for their session
// at a time, where there are several: a throttled account must not take every
// place there is. The zero limit is none.
type startPlaces struct {
	limit int
	taken map[string]int
}

func newStartPlaces(jobs []*plan.Job, parallel int) startPlaces {
	providers := map[string]bool{}
	for _, j := range jobs {
		providers[j.Target.Provider] = true
	}
	p := startPlaces{taken: map[string]int{}}
	if len(providers) > 1 && parallel > 0 {
		p.limit = max(1, parallel/len(providers))
	}
	return p
}

func (p startPlaces) free(provider string) bool { return p.limit == 0 || p.taken[provider] < p.limit }
func (p startPlaces) take(provider string)      { p.taken[provider]++ }
func (p startPlaces) give(provider string)      { p.taken[provider]-- }
