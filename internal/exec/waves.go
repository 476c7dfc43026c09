package exec

import (
	"fmt"
	"maps"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// begin starts a rollout whose dependencies have ended.
func (c *coordinator) begin(ro *rollout) {
	switch {
	case c.stopped != "":
		c.abandon(ro, outcome.NotStarted, c.stopped)
	case ro.blocked != "" && !ro.session.AfterEnded:
		c.abandon(ro, outcome.Skipped, ro.blocked)
	default:
		ro.blocked = "" // what it passes on is its own from here
		c.startWave(ro, 0)
	}
}

func (c *coordinator) startWave(ro *rollout, wave int) {
	ro.fill(wave)
	targets := make([]string, 0, ro.queue.Len())
	for _, j := range ro.waveJobs(wave) {
		targets = append(targets, j.Target.ID)
	}
	c.log.Emit(event.WaveStart{
		Address: ro.session.Address,
		Session: ro.session.Name,
		Wave:    wave + 1,
		Of:      ro.waves(),
		Targets: targets,
	})
	if ro.queue.Len() == 0 {
		c.waveEnded(ro)
	}
}

// waveEnded goes on after the last job of a wave.
func (c *coordinator) waveEnded(ro *rollout) {
	c.log.Emit(event.WaveComplete{
		Address:  ro.session.Address,
		Session:  ro.session.Name,
		Wave:     ro.wave + 1,
		Of:       ro.waves(),
		Outcomes: maps.Clone(ro.waveOutcomes),
	})
	switch {
	case ro.wave+1 >= ro.waves():
		c.end(ro)
	case c.stopped != "":
		c.abandonFrom(ro, ro.wave+1, outcome.NotStarted, c.stopped)
	default:
		c.rest(ro)
	}
}

// rest pauses and asks, as the rollout wants, and starts the next wave.
func (c *coordinator) rest(ro *rollout) {
	next := ro.wave + 1
	r := ro.session.Rollout
	if r.Pause <= 0 && !r.ApproveWaves {
		c.startWave(ro, next)
		return
	}
	ro.phase = resting
	if r.Pause > 0 {
		c.log.Emit(event.WavePause{
			Address:    ro.session.Address,
			Session:    ro.session.Name,
			Wave:       next + 1,
			Of:         ro.waves(),
			DurationMS: r.Pause.Milliseconds(),
		})
	}
	targets := "1 target"
	if n := len(ro.waveJobs(next)); n != 1 {
		targets = fmt.Sprintf("%d targets", n)
	}
	question := fmt.Sprintf("Start wave %d of %d of %s (%s)?", next+1, ro.waves(), ro.session.Address, targets)
	c.spawn(func() func() {
		timer := time.NewTimer(r.Pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.windDown.Done():
		}
		approved, why := true, ""
		if r.ApproveWaves && c.windDown.Err() == nil {
			approved, why = c.ask(c.windDown, ro.session.Address, question)
		}
		return func() {
			switch {
			case c.stopped != "":
				c.abandonFrom(ro, next, outcome.NotStarted, c.stopped)
			case !approved:
				c.abandonFrom(ro, next, outcome.NotStarted, fmt.Sprintf("approval of wave %d: %s", next+1, why))
			default:
				c.startWave(ro, next)
			}
		}
	})
}

// abandon ends a rollout that has not begun.
func (c *coordinator) abandon(ro *rollout, o outcome.Outcome, why string) {
	c.abandonFrom(ro, 0, o, why)
}

// abandonFrom ends a rollout none of whose jobs runs: those of the given wave
// and of all later ones get the outcome.
func (c *coordinator) abandonFrom(ro *rollout, wave int, o outcome.Outcome, why string) {
	for ; wave < ro.waves(); wave++ {
		for _, j := range ro.waveJobs(wave) {
			c.settleJob(ro, j, o, why)
		}
	}
	c.end(ro)
}

// end lets those that wait for this rollout begin.
func (c *coordinator) end(ro *rollout) {
	ro.phase = ended
	for _, next := range ro.next {
		if ro.blocked != "" && next.blocked == "" {
			next.blocked = ro.blocked
		}
		next.waits--
		if next.waits == 0 && next.phase == waiting {
			c.begin(next)
		}
	}
}
