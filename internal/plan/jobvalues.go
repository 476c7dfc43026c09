package plan

import (
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// sessions is what `session` is: the blocks that are referred to.
func (m moment) sessions(names []string) cty.Value {
	attrs := make(map[string]cty.Value, len(names))
	for _, name := range names {
		if block := m.plan.byName[name]; block != nil {
			attrs[name] = m.block(block)
		}
	}
	return cty.ObjectVal(attrs)
}

// block is what `session.NAME` is: jobs by target id, under the instance key
// when the block has for_each or count.
func (m moment) block(block *sessionBlock) cty.Value {
	switch {
	case block.decl.ForEach != nil:
		byKey := make(map[string]cty.Value, len(block.instances))
		for _, s := range block.instances {
			byKey[s.key.AsString()] = m.session(s)
		}
		return cty.ObjectVal(byKey)
	case block.decl.Count != nil:
		list := make([]cty.Value, len(block.instances))
		for i, s := range block.instances {
			list[i] = m.session(s)
		}
		return cty.TupleVal(list)
	case len(block.instances) == 1:
		return m.session(block.instances[0])
	}
	return cty.DynamicVal // its instances are in error
}

// session is one instance: an object with every planned target in it.
func (m moment) session(s *Session) cty.Value {
	return m.plan.cache.session(s, m.facts, func() cty.Value {
		names := declared(s)
		jobs := make(map[string]cty.Value, len(s.Jobs))
		var shared cty.Value
		if m.facts == nil {
			shared = s.plannedSteps(names)
		}
		for _, job := range s.Jobs {
			if m.facts == nil {
				jobs[job.Target.ID] = plannedJob(job, shared)
			} else {
				jobs[job.Target.ID] = s.jobValue(job, m.facts.Jobs[job.Address], names)
			}
		}
		return cty.ObjectVal(jobs)
	})
}

// declared returns the names of a session's step and finally blocks.
func declared(s *Session) []string {
	var names []string
	for _, decl := range steps(s.block.decl) {
		names = append(names, decl.Name)
	}
	return names
}

func (s *Session) plannedSteps(names []string) cty.Value {
	attrs := make(map[string]cty.Value, len(names))
	for _, name := range names {
		if planned, ok := s.planned[name]; ok {
			attrs[name] = planned
		}
	}
	return cty.ObjectVal(attrs)
}

func plannedJob(job *Job, steps cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"target": job.value, "outcome": cty.UnknownVal(cty.String), "failed_step": cty.UnknownVal(cty.String),
		"duration": cty.UnknownVal(cty.Number), "step": steps,
	})
}

// jobValue is a job as other sessions, checks and outputs see it. The facts
// may be nil.
func (s *Session) jobValue(job *Job, facts *JobFacts, names []string) cty.Value {
	steps := make(map[string]cty.Value, len(names))
	for _, name := range names {
		steps[name] = s.stepValue(name, facts)
	}
	verdict, failed, duration := nullText, nullText, nullNumber
	if facts != nil {
		verdict = outcomeValue(facts.Outcome)
		duration = secondsValue(facts.Duration)
		if facts.FailedStep != "" {
			failed = cty.StringVal(facts.FailedStep)
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"target": job.value, "outcome": verdict, "failed_step": failed, "duration": duration, "step": cty.ObjectVal(steps),
	})
}

// sessionCache keeps the values of sessions that have ended, so that a
// thousand jobs that look at a thousand others do not make a million objects.
// The facts of a job that has an outcome do not change any more.
type sessionCache struct {
	mu sync.Mutex
	// protects
	entries map[cacheKey]cachedSession
}

type cacheKey struct {
	session *Session
	atRun   bool
}

type cachedSession struct {
	facts *Facts // of which run; nil for the plan's
	value cty.Value
}

func (c *sessionCache) session(s *Session, facts *Facts, build func() cty.Value) cty.Value {
	key := cacheKey{s, facts != nil}
	c.mu.Lock()
	entry, ok := c.entries[key]
	c.mu.Unlock()
	if ok && entry.facts == facts {
		return entry.value
	}
	value := build()
	if !allEnded(s, facts) {
		return value
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[cacheKey]cachedSession{}
	}
	c.entries[key] = cachedSession{facts: facts, value: value}
	return value
}

// allEnded reports whether the facts of a session will not change: those of
// the plan never do.
func allEnded(s *Session, facts *Facts) bool {
	if facts == nil {
		return true
	}
	for _, job := range s.Jobs {
		if own := facts.Jobs[job.Address]; own == nil || own.Outcome == "" {
			return false
		}
	}
	return true
}
