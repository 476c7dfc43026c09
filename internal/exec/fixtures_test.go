package exec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSession returns a session block with the given number of targets, i-01 and
// on, in one wave and without a budget.
func newSession(name string, targets int, change ...func(*plan.Session)) *plan.Session {
	s := &plan.Session{
		Address: "session." + name,
		Name:    name,
		Kind:    plan.KindShell,
		Rollout: plan.Rollout{Waves: []int{targets}, MaxFailures: -1},
	}
	for i := range targets {
		id := fmt.Sprintf("i-%02d", i+1)
		s.Jobs = append(s.Jobs, &plan.Job{
			Address: fmt.Sprintf("%s[%q]", s.Address, id),
			Session: s,
			Target:  plan.Target{ID: id, Provider: "aws"},
		})
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func dependsOn(names ...string) func(*plan.Session) {
	return func(s *plan.Session) {
		for _, n := range names {
			s.DependsOn = append(s.DependsOn, "session."+n)
		}
	}
}

func afterEnded(s *plan.Session) { s.AfterEnded = true }

func inWaves(waves ...int) func(*plan.Session) {
	return func(s *plan.Session) { s.Rollout.Waves = waves }
}

func budget(n int) func(*plan.Session) {
	return func(s *plan.Session) { s.Rollout.MaxFailures = n }
}

func maxParallel(n int) func(*plan.Session) {
	return func(s *plan.Session) { s.Rollout.MaxParallel = n }
}

// withSteps gives a session steps; those whose label begins with "finally" are
// finally steps. They wait unless change says otherwise.
func withSteps(labels ...string) func(*plan.Session) {
	return func(s *plan.Session) {
		for i, label := range labels {
			step := &plan.Step{Label: label, Index: i, Action: plan.ActionWait, Retry: plan.Retry{Attempts: 1}}
			if strings.HasPrefix(label, "finally") {
				step.Finally = true
				s.Finally = append(s.Finally, step)
			} else {
				s.Steps = append(s.Steps, step)
			}
		}
	}
}

func changeStep(label string, change func(*plan.Step)) func(*plan.Session) {
	return func(s *plan.Session) {
		for _, step := range slices.Concat(s.Steps, s.Finally) {
			if step.Label == label {
				change(step)
				return
			}
		}
		panic("no step " + label)
	}
}

// memory is a sink that keeps records, and the clock they came at.
type memory struct {
	mu      sync.Mutex
	began   time.Time
	records []event.Record
	failAt  string // the type of event that cannot be written
}

func (m *memory) Append(records []event.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		if m.failAt != "" && r.Fact.Type() == m.failAt {
			return errors.New("no space left on device")
		}
		m.records = append(m.records, r)
	}
	return nil
}

func (m *memory) facts() []event.Fact {
	m.mu.Lock()
	defer m.mu.Unlock()
	facts := make([]event.Fact, len(m.records))
	for i, r := range m.records {
		facts[i] = r.Fact
	}
	return facts
}

// lines are the records in short, one a line: when, type, where, what.
func (m *memory) lines(types ...string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, r := range m.records {
		if len(types) > 0 && !slices.Contains(types, r.Fact.Type()) {
			continue
		}
		fmt.Fprintf(&b, "%s %s\n", r.Time.Sub(m.began).Truncate(time.Millisecond), short(r.Fact))
	}
	return b.String()
}

func short(f event.Fact) string {
	line := f.Type()
	add := func(format string, args ...any) { line += fmt.Sprintf(" "+format, args...) }
	why := func(s string) {
		if s != "" {
			add("(%s)", s)
		}
	}
	switch f := f.(type) {
	case event.RunStart:
		add("%d jobs", f.Jobs)
	case event.WaveStart:
		add("%s %d/%d %v", f.Session, f.Wave, f.Of, f.Targets)
	case event.WaveComplete:
		add("%s %d/%d %v", f.Session, f.Wave, f.Of, f.Outcomes)
	case event.WaveHalted:
		add("%s wave %d", f.Session, f.Wave)
		why(f.Reason)
	case event.Approval:
		add("%s %t", f.Address, f.Approved)
	case event.JobComplete:
		add("%s %s", f.Address, f.Outcome)
		if f.FailedStep != "" {
			add("at %s", f.FailedStep)
		}
		why(f.Why)
	case event.SessionQueued:
		add("%s", f.Address)
		why(f.Why)
	case event.SessionStart:
		add("%s #%d %s", f.Address, f.Attempt, f.Kind)
	case event.SessionReady:
		add("%s %s", f.Address, f.SessionID)
	case event.SessionComplete:
		add("%s %s terminated=%t", f.Address, f.SessionID, f.Terminated)
		why(f.Error)
	case event.StepStart:
		add("%s #%d", f.Address, f.Attempt)
	case event.StepExpect:
		add("%s #%d %s %t", f.Address, f.Attempt, f.Expectation, f.Passed)
	case event.StepCapture:
		add("%s #%d %s=%s", f.Address, f.Attempt, f.Name, f.Value)
	case event.StepOutput:
		add("%s #%d %s", f.Address, f.Attempt, f.Stream)
	case event.StepComplete:
		add("%s #%d %s", f.Address, f.Attempt, f.Outcome)
		if f.ExitCode != nil {
			add("exit=%d", *f.ExitCode)
		}
		if !f.Final {
			add("again")
		}
		why(f.Why)
	case event.CheckComplete:
		add("%s %s", f.Address, f.Outcome)
	case event.RunSummary:
		add("%v exit=%d", f.Jobs, f.ExitCode)
		if f.Halted {
			add("halted")
		}
		if f.Interrupted {
			add("interrupted")
		}
	default:
		why(f.Message())
	}
	return line
}

// answers is a plan that answers as the test says.
type answers struct {
	prepareJob func(*plan.Job) (plan.Start, plan.Diagnostics)
	prepare    func(*plan.Job, *plan.Step, int) plan.Work
	judge      func(*plan.Job, *plan.Step, plan.Result) plan.Verdict
	answer     func() (answer []byte, conceal []string)
	conclude   func(*plan.Facts) plan.Conclusion
}

func (a *answers) PrepareJob(j *plan.Job, _ *plan.Facts) (plan.Start, plan.Diagnostics) {
	if a.prepareJob == nil {
		return plan.Start{Reason: "a test"}, nil
	}
	return a.prepareJob(j)
}

func (a *answers) Prepare(j *plan.Job, s *plan.Step, attempt int, _ *plan.Facts) (plan.Work, plan.Diagnostics) {
	if a.prepare == nil {
		return plan.Work{Action: s.Action, Wait: time.Second}, nil
	}
	return a.prepare(j, s, attempt), nil
}

func (a *answers) Record(*plan.Job, *plan.Step, *plan.Facts) (stdout, stderr *plan.Recording) {
	return &plan.Recording{}, &plan.Recording{}
}

func (a *answers) Answer(*plan.Job, *plan.Step, int, *plan.Facts, *plan.Recording) ([]byte, []string, plan.Diagnostics) {
	if a.answer == nil {
		return []byte("late\r"), nil, nil
	}
	answer, conceal := a.answer()
	return answer, conceal, nil
}

// Judge passes what ended with exit code 0 or none.
func (a *answers) Judge(j *plan.Job, s *plan.Step, _ *plan.Facts, r plan.Result) plan.Verdict {
	if a.judge != nil {
		return a.judge(j, s, r)
	}
	switch {
	case r.TimedOut:
		return plan.Verdict{Outcome: outcome.TimedOut, Retry: true}
	case r.ExitCode != nil && *r.ExitCode != 0:
		return plan.Verdict{Outcome: outcome.Failed, Retry: true, Expectations: []plan.Expectation{
			{Name: "exit_code", Expected: "0", Got: fmt.Sprint(*r.ExitCode)},
		}}
	}
	return plan.Verdict{Outcome: outcome.Passed}
}

func (a *answers) SourceLine(plan.Range) string { return "" }

func (a *answers) Conclude(f *plan.Facts) plan.Conclusion {
	if a.conclude == nil {
		return plan.Conclusion{}
	}
	return a.conclude(f)
}

// world is a run in a test.
type world struct {
	*memory
	sessions []*plan.Session
	answers  answers
	opts     Options
	live     *run
	summary  *Summary
	err      error
}

func newWorld(sessions ...*plan.Session) *world {
	return &world{memory: &memory{}, sessions: sessions}
}

func (w *world) run(ctx context.Context) {
	w.began = time.Now()
	w.opts.RunID = "r1"
	w.opts.Redactor = event.NewRedactor()
	w.opts.Log = event.NewLog("r1", w.memory, w.opts.Redactor)
	r := newRun(&plan.Plan{Sessions: w.sessions}, w.opts)
	r.eval = &w.answers
	w.live = r
	w.summary, w.err = r.execute(ctx)
	w.opts.Log.Close()
}

func (w *world) outcomes() map[string]outcome.Outcome {
	out := map[string]outcome.Outcome{}
	for address, j := range w.summary.Facts.Jobs {
		out[address] = j.Outcome
	}
	return out
}

// scripted is a JobRunner whose jobs last and end as the test says.
type scripted struct {
	job func(ctx context.Context, task Task) JobResult

	mu      sync.Mutex
	running int
	most    int
	started []string
}

func (s *scripted) RunJob(ctx context.Context, task Task) JobResult {
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	s.started = append(s.started, task.Job.Address)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	return s.job(ctx, task)
}

// lasting makes a job that lasts, whatever happens, and ends so.
func lasting(d time.Duration, o outcome.Outcome) func(context.Context, Task) JobResult {
	return func(context.Context, Task) JobResult {
		time.Sleep(d)
		return JobResult{Outcome: o}
	}
}

// byTarget gives each target its job; others pass after a second.
func byTarget(jobs map[string]func(context.Context, Task) JobResult) func(context.Context, Task) JobResult {
	return func(ctx context.Context, task Task) JobResult {
		if f := jobs[task.Job.Target.ID]; f != nil {
			return f(ctx, task)
		}
		return lasting(time.Second, outcome.Passed)(ctx, task)
	}
}

func wantLines(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("events (-want +got):\n%s\ngot:\n%s", diff, got)
	}
}

func wantOutcomes(t *testing.T, w *world, want map[string]outcome.Outcome) {
	t.Helper()
	if diff := cmp.Diff(want, w.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	counted := map[outcome.Outcome]int{}
	for _, o := range want {
		counted[o]++
	}
	if diff := cmp.Diff(counted, w.summary.Tally.Jobs); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
}

func jobsOf(s *plan.Session, outcomes ...outcome.Outcome) map[string]outcome.Outcome {
	m := map[string]outcome.Outcome{}
	for i, j := range s.Jobs {
		m[j.Address] = outcomes[min(i, len(outcomes)-1)]
	}
	return m
}

func merged(maps_ ...map[string]outcome.Outcome) map[string]outcome.Outcome {
	all := map[string]outcome.Outcome{}
	for _, m := range maps_ {
		maps.Copy(all, m)
	}
	return all
}

func withoutTimes(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		_, rest, _ := strings.Cut(line, " ")
		b.WriteString(rest)
	}
	return b.String()
}

func (w *world) complete(t *testing.T, label string) event.StepComplete {
	t.Helper()
	for _, f := range w.facts() {
		if c, ok := f.(event.StepComplete); ok && c.Step.Step == label && c.Final {
			return c
		}
	}
	t.Fatalf("no step_complete of %s:\n%s", label, w.lines())
	return event.StepComplete{}
}

// wantOrder checks the types of the first events about jobs and steps, output
// left out.
func wantOrder(t *testing.T, w *world, want ...string) {
	t.Helper()
	var got []string
	for _, f := range w.facts() {
		switch f.Type() {
		case "session_start", "session_ready", "session_complete", "step_start", "step_complete", "job_complete":
			got = append(got, f.Type())
		}
	}
	if fmt.Sprint(got[:min(len(got), len(want))]) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}
