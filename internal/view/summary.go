package view

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// summary gathers what is said when a run has ended.
type summary struct {
	*printer
	start   event.RunStart
	end     event.RunSummary
	ended   bool
	jobs    []event.JobComplete
	counts  map[outcome.Outcome]int // of jobs
	steps   map[string]stepEnd      // by job and step: what its last attempt was
	expects map[stepKey][]event.StepExpect
	checks  []event.CheckComplete
	outputs *event.Outputs
	halted  []event.WaveHalted
	leftIDs []event.SessionComplete // sessions whose end is not certain
	kept    bool                    // a step left output on disk
}

type stepEnd struct {
	why   string
	place string
}

func newSummary(p *printer) *summary {
	return &summary{
		printer: p,
		counts:  map[outcome.Outcome]int{},
		steps:   map[string]stepEnd{},
		expects: map[stepKey][]event.StepExpect{},
	}
}

// record folds one record in.
func (s *summary) record(rec event.Record) {
	switch f := rec.Fact.(type) {
	case event.RunStart:
		s.start = f
	case event.WaveHalted:
		s.halted = append(s.halted, f)
	case event.SessionComplete:
		if f.SessionID != "" && !f.Terminated {
			s.leftIDs = append(s.leftIDs, f)
		}
	case event.StepExpect:
		if !f.Passed {
			key := stepKey{f.Address, f.Attempt}
			s.expects[key] = append(s.expects[key], f)
		}
	case event.StepComplete:
		s.step(f)
	case event.JobComplete:
		s.jobs = append(s.jobs, f)
		s.counts[f.Outcome]++
	case event.CheckComplete:
		s.checks = append(s.checks, f)
	case event.Outputs:
		s.outputs = &f
	case event.RunSummary:
		s.end, s.ended = f, true
	}
}

// step remembers why a step did not pass.
func (s *summary) step(f event.StepComplete) {
	key := stepKey{f.Address, f.Attempt}
	expects := s.expects[key]
	delete(s.expects, key)
	s.kept = s.kept || f.StdoutKept+f.StderrKept > 0
	if f.Outcome == outcome.Passed || f.Outcome == outcome.Skipped {
		return
	}
	end := stepEnd{why: reason(f, expects)}
	for _, e := range expects {
		if end.place == "" {
			end.place = where(e.Range)
		}
	}
	if end.place == "" {
		end.place = where(f.Range)
	}
	s.steps[jobStep(f.Session, f.Target, f.Step.Step)] = end
}

func jobStep(session, target, step string) string { return session + "\x00" + target + "\x00" + step }

// write prints the summary of a run that has ended.
func (s *summary) write(runID string) {
	s.line()
	s.writeOutputs()
	s.notPassed()
	s.failedChecks()
	s.open()
	s.verdict(runID)
}

// verdict is the last word on a run.
func (s *summary) verdict(runID string) {
	counts := s.end.Jobs
	if counts == nil {
		counts = s.counts
	}
	word, colour := "passed", green
	switch {
	case s.end.ExitCode != 0 && s.end.Interrupted:
		word, colour = "was interrupted", yellow
	case s.end.ExitCode != 0 && s.end.Halted:
		word, colour = "was halted", red
	case s.end.ExitCode != 0:
		word, colour = "did not pass", red
	}
	text := fmt.Sprintf("Run %s %s after %s", Sanitize(runID), word, millis(s.end.DurationMS))
	if s.end.ExitCode != 0 {
		text += fmt.Sprintf(" (exit code %d)", s.end.ExitCode)
	}
	s.line(s.opts.paint(bold, s.opts.paint(colour, text)), ": ", s.opts.tally(counts), ".")
}

// group is jobs that did not pass in the same way.
type group struct {
	outcome       outcome.Outcome
	session, step string
	why, place    string
	targets       []string
}

// notPassed lists every target that did not pass, those with the same reason
// together, the worst first.
func (s *summary) notPassed() {
	groups := s.groups()
	for _, g := range groups {
		head := s.opts.outcomeText(g.outcome) + "  " + Sanitize(g.session)
		if g.step != "" {
			head += " > " + Sanitize(g.step)
		}
		if g.place != "" {
			head += "  " + s.opts.paint(dim, g.place)
		}
		s.line(head)
		if g.why != "" {
			s.line("  ", g.why)
		}
		s.line(list("  "+count(len(g.targets), "target")+": ", g.targets, s.opts.width()))
	}
	if len(groups) > 0 {
		s.line()
	}
}

func (s *summary) groups() []*group {
	type key struct {
		outcome                   outcome.Outcome
		session, step, why, place string
	}
	byKey := map[key]*group{}
	var all []*group
	for _, j := range s.jobs {
		if j.Outcome == outcome.Passed {
			continue
		}
		end := s.steps[jobStep(j.Session, j.Target, j.FailedStep)]
		why := Sanitize(j.Why)
		if end.why != "" {
			why = end.why[len(": "):]
		}
		common := withoutTarget(why, j.Target)
		k := key{j.Outcome, j.Session, j.FailedStep, common, end.place}
		g := byKey[k]
		if g == nil {
			g = &group{outcome: j.Outcome, session: j.Session, step: j.FailedStep, why: why, place: end.place}
			byKey[k] = g
			all = append(all, g)
		} else {
			g.why = common
		}
		g.targets = append(g.targets, whoFully(j.Target, j.Name))
	}
	for _, g := range all {
		slices.Sort(g.targets)
	}
	slices.SortStableFunc(all, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(outcome.All, b.outcome), slices.Index(outcome.All, a.outcome)),
			cmp.Compare(a.session, b.session), cmp.Compare(a.step, b.step), cmp.Compare(a.why, b.why))
	})
	return all
}

// requestID is what AWS's errors say of one call.
var requestID = regexp.MustCompile(` \[request id [^\]]*\]`)

// withoutTarget is a reason as it reads for other targets, too: what is not
// connected fails in the same way, with another id in its error.
func withoutTarget(why, target string) string {
	if target != "" {
		why = strings.ReplaceAll(why, target, "the target")
	}
	return requestID.ReplaceAllString(why, "")
}

func (s *summary) failedChecks() {
	some := false
	for _, c := range s.checks {
		if c.Outcome == outcome.Passed {
			continue
		}
		some = true
		text := s.opts.outcomeText(c.Outcome) + "  " + Sanitize(c.Address)
		if place := where(c.Range); place != "" {
			text += "  " + s.opts.paint(dim, place)
		}
		s.line(text)
		if c.Text != "" {
			s.line("  ", Sanitize(c.Text))
		}
	}
	if some {
		s.line()
	}
}

// open warns of sessions that may be open still.
func (s *summary) open() {
	if len(s.leftIDs) == 0 {
		return
	}
	s.line(s.opts.paint(yellow, "These sessions may be open still:"))
	for _, f := range s.leftIDs {
		s.line("  ", Sanitize(f.SessionID), " on ", whoFully(f.Target, f.Name))
	}
	s.line()
}

func (s *summary) writeOutputs() {
	if s.outputs == nil || len(s.outputs.Values) == 0 {
		return
	}
	s.line(s.opts.paint(bold, "Outputs:"))
	for _, name := range slices.Sorted(maps.Keys(s.outputs.Values)) {
		s.line("  ", Sanitize(name), " = ", outputText(s.outputs.Values[name], "  "))
	}
	s.line()
}

// whereNext says where the output is and how to look at it.
func (s *summary) whereNext(runID string) {
	if s.kept && s.start.Directory != "" {
		s.line("The output of every step is in ", Sanitize(s.start.Directory), "/output; ",
			"`ssmrun show ", Sanitize(runID), "` shows the run again.")
	}
}
