package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// fleet answers selections from a list of nodes, as AWS would.
type fleet []Target

// webs returns n Linux nodes with a Role tag.
func webs(n int) fleet {
	f := make(fleet, n)
	for i := range f {
		f[i] = Target{
			ID: fmt.Sprintf("i-%017x", i+1), Name: fmt.Sprintf("web-%02d", i+1), Platform: "Linux", Region: "eu-west-1",
			Account: "123456789012", Tags: map[string]string{"Role": "web"}, Online: true, PingStatus: "Online",
		}
	}
	return f
}

func (f fleet) find(selections []Selection) []Found {
	var found []Found
	for _, s := range selections {
		answer := Found{Address: s.Address}
		for _, t := range f {
			if s.matches(t) {
				t.Provider = s.Provider
				answer.Targets = append(answer.Targets, t)
			}
		}
		for _, id := range s.IDs {
			if !f.has(id) {
				answer.Missing = append(answer.Missing, Missing{ID: id, Why: "stopped, unknown or not yours", Error: true})
			}
		}
		found = append(found, answer)
	}
	return found
}

func (f fleet) has(id string) bool {
	for _, t := range f {
		if t.ID == id {
			return true
		}
	}
	return false
}

func (s Selection) matches(t Target) bool {
	in := func(list []string, v string) bool {
		if len(list) == 0 {
			return true
		}
		for _, x := range list {
			if x == v {
				return true
			}
		}
		return false
	}
	for key, values := range s.Tags {
		if !in(values, t.Tags[key]) {
			return false
		}
	}
	for _, id := range s.Exclude {
		if id == t.ID {
			return false
		}
	}
	return in(s.IDs, t.ID) && in(s.Names, t.Name) && (s.Platform == "" || s.Platform == t.Platform)
}

// bench builds plans from runbook text.
type bench struct {
	testing.TB
	nodes  fleet
	docs   map[DocumentRef]Document
	values map[string]cty.Value
	dir    string
}

func newBench(t testing.TB, nodes int) *bench {
	return &bench{TB: t, nodes: webs(nodes), dir: t.TempDir(), docs: map[DocumentRef]Document{}}
}

// evaluate plans a runbook and returns every diagnostic on the way.
func (b *bench) evaluate(source string) (*Plan, hclspec.Diagnostics) {
	b.Helper()
	b.write("main.ssm.hcl", source)
	rb, diags := hclspec.LoadRunbook(b.dir)
	if diags.HasErrors() {
		return nil, diags
	}
	e, diags := New(rb, b.values)
	if diags.HasErrors() {
		return nil, diags
	}
	selections, diags := e.Selections()
	if diags.HasErrors() {
		return nil, diags
	}
	return e.Plan(b.nodes.find(selections), b.docs)
}

func (b *bench) write(name, content string) {
	b.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) plan(source string) *Plan {
	b.Helper()
	p, diags := b.evaluate(source)
	if diags.HasErrors() {
		b.Fatalf("plan has errors:\n%s", report(diags))
	}
	return p
}

// refuse plans a runbook that must not plan, and returns the complaints.
func (b *bench) refuse(source string) string {
	b.Helper()
	_, diags := b.evaluate(source)
	if !diags.HasErrors() {
		b.Fatalf("no error for\n%s", source)
	}
	return report(diags)
}

// report is a line for each diagnostic: place, summary, detail.
func report(diags hclspec.Diagnostics) string {
	var lines []string
	for _, d := range diags {
		place := "-"
		if d.Subject != nil {
			place = fmt.Sprintf("%d:%d-%d", d.Subject.Start.Line, d.Subject.Start.Column, d.Subject.End.Column)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", place, d.Summary, d.Detail))
	}
	return strings.Join(lines, "\n")
}

// run is a run that a test plays by hand.
type run struct {
	*bench
	plan  *Plan
	facts *Facts
}

func (b *bench) run(p *Plan) *run {
	return &run{bench: b, plan: p, facts: &Facts{
		RunID: "20260102T030405Z-abcd", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Jobs: map[string]*JobFacts{},
	}}
}

// session returns the only instance, or the one of the name.
func (r *run) session(name string) *Session {
	r.Helper()
	s := r.plan.byAddress["session."+name]
	if s == nil {
		r.Fatalf("no session %q", name)
	}
	return s
}

func (s *Session) step(t testing.TB, label string) *Step {
	t.Helper()
	for _, step := range append(append([]*Step{}, s.Steps...), s.Finally...) {
		if step.Label == label {
			return step
		}
	}
	t.Fatalf("no step %q", label)
	return nil
}

// work prepares an attempt that must prepare.
func (r *run) work(job *Job, label string) Work {
	r.Helper()
	w, diags := r.plan.Prepare(job, job.Session.step(r, label), 1, r.facts)
	if diags.HasErrors() {
		r.Fatalf("prepare %s:\n%s", label, report(diags))
	}
	return w
}

// judge plays an attempt: its output and exit code.
func (r *run) judge(job *Job, label, stdout string, exitCode int) Verdict {
	r.Helper()
	return r.judgeResult(job, label, stdout, "", Result{Attempt: 1, ExitCode: &exitCode, Verified: true, Duration: time.Second})
}

func (r *run) judgeResult(job *Job, label, stdout, stderr string, result Result) Verdict {
	r.Helper()
	step := job.Session.step(r, label)
	result.Stdout, result.Stderr = r.plan.Record(job, step, r.facts)
	write(r, result.Stdout, stdout)
	write(r, result.Stderr, stderr)
	v := r.plan.Judge(job, step, r.facts, result)
	r.job(job).Steps[label] = &StepFacts{
		Outcome: v.Outcome, ExitCode: result.ExitCode, Duration: result.Duration, Attempt: result.Attempt, Captures: v.Captures,
	}
	return v
}

// write writes in pieces of odd sizes.
func write(t testing.TB, r *Recording, text string) {
	t.Helper()
	for size := 1; len(text) > 0; size = size*3 + 1 {
		n := min(size, len(text))
		if _, err := r.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
}

func (r *run) job(job *Job) *JobFacts {
	if r.facts.Jobs[job.Address] == nil {
		r.facts.Jobs[job.Address] = &JobFacts{Steps: map[string]*StepFacts{}}
	}
	return r.facts.Jobs[job.Address]
}

// end ends a job with the outcome of its steps.
func (r *run) end(job *Job) {
	facts := r.job(job)
	o, failed := soFar(job, facts)
	facts.Outcome, facts.FailedStep, facts.Duration = o, failed, 3*time.Second
}

func wantOutcome(t testing.TB, v Verdict, want outcome.Outcome) {
	t.Helper()
	if v.Outcome != want {
		t.Errorf("outcome %s, want %s\nexpectations %+v\n%s", v.Outcome, want, v.Expectations, report(v.Diagnostics))
	}
}

func wantText(t testing.TB, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("want %q in\n%s", w, got)
		}
	}
}

// evaluator loads the bench's directory.
func (b *bench) evaluator() *Evaluator {
	b.Helper()
	rb, diags := hclspec.LoadRunbook(b.dir)
	if diags.HasErrors() {
		b.Fatal(report(diags))
	}
	e, diags := New(rb, b.values)
	if diags.HasErrors() {
		b.Fatal(report(diags))
	}
	return e
}
