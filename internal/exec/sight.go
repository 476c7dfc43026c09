package exec

import (
	"time"
)

const (
	// lookFirst and lookMost are the pauses between two looks at a ping status:
	// they grow from one to the other.
	lookFirst = time.Second
	lookMost  = 10 * time.Second
	// tryStale is how long a status of Online that may be an old one is waited
	// out: agents ping every five minutes, and AWS takes a node for Online until
	// one is overdue. tryFresh is the pause between two tries at a target whose
	// status is a new one: an agent pings a little before it takes sessions.
	tryStale = time.Minute
	tryFresh = 15 * time.Second
)

// Ping is what AWS knows of a node's agent.
type Ping struct {
	Online bool
	Last   time.Time // when the agent was heard of last, on AWS's clock
}

// sight is what was seen of a target that restarts: whether it is worth a
// StartSession, of which there are few.
type sight struct {
	last  time.Time // the newest ping that is known
	fresh bool      // it was offline since, or pinged: its status is no old one
	tries int
	tried time.Time // the last time, at first when its session had ended
}

// look asks for the ping status, and reports whether the target may be there. It
// may when the question has no answer.
func (s *sight) look(r *reboot) bool {
	if r.opts.Ping == nil {
		s.fresh = true
		return true
	}
	ping, err := r.opts.Ping(r.limit, r.Job.Target.Provider, r.Job.Target.ID)
	if err != nil {
		r.last = err
		return true
	}
	if !ping.Online || !s.last.IsZero() && ping.Last.After(s.last) {
		s.fresh = true
	}
	s.last = ping.Last
	return ping.Online
}

// wait returns true when it is time to try for a session, and false when the
// attempt's time has passed.
func (s *sight) wait(r *reboot) bool {
	if s.tries == 0 {
		s.tried = time.Now()
	}
	for pause := lookFirst; sleep(r.limit, pause); pause = min(pause*3/2, lookMost) {
		online, since := s.look(r), time.Since(s.tried)
		if online && (since >= tryStale || s.fresh && (s.tries == 0 || since >= tryFresh)) {
			s.tries++
			s.tried = time.Now()
			return true
		}
	}
	return false
}
