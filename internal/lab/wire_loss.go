package lab

import (
	"math/rand/v2"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// lane is what chance does to one direction of a wire. One goroutine may ask for
// delays while another asks for losses: each has a source of its own.
type lane struct {
	faults hclspec.Faults
	delay  *rand.Rand
	loss   *rand.Rand
	burst  int // so many more are lost
}

// lane returns the chances of one direction, which takes two kinds of seed.
func (s *session) lane(opens, kind int) lane {
	return lane{faults: s.node.faults, delay: s.rng(opens, kind), loss: s.rng(opens, kind+1)}
}

// loses reports whether a frame is lost.
func (l *lane) loses(frame channel.Frame) bool {
	if l.faults.Drop == 0 || !mayBeLost(frame) {
		return false
	}
	lost := l.loss.Float64() < l.faults.Drop
	switch {
	case l.burst > 0:
		l.burst--
		return true
	case lost:
		l.burst = max(l.faults.DropBurst, 1) - 1
	}
	return lost
}

// latency is how long a frame is under way.
func (l *lane) latency() time.Duration {
	d := l.faults.Latency
	if l.faults.Jitter > 0 {
		d += time.Duration(l.delay.Int64N(int64(l.faults.Jitter) + 1))
	}
	return d
}
