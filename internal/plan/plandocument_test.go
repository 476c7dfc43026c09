package plan

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

func TestPlanDocumentIsTheSameEveryTime(t *testing.T) {
	b := prodWebs(t, 30)
	b.nodes[4].Online = false
	first, err := b.plan(restartRunbook).JSON()
	if err != nil {
		t.Fatal(err)
	}
	second, _ := b.plan(restartRunbook).JSON()
	if !bytes.Equal(first, second) {
		t.Errorf("two documents of one plan:\n%s\n%s", first, second)
	}
	var document struct {
		FormatVersion string `json:"format_version"`
		Values        map[string]struct{ Value any }
		Sessions      []struct {
			Addr    string
			Rollout struct {
				Waves       [][]string
				MaxFailures int `json:"max_failures"`
			}
			Jobs  []struct{ Online bool }
			Steps []struct{ Step, Command, When string }
		}
	}
	if err := json.Unmarshal(first, &document); err != nil {
		t.Fatal(err)
	}
	s := document.Sessions[0]
	if document.FormatVersion != "1.0" || document.Values["service"].Value != "nginx" || s.Addr != "session.restart" ||
		len(s.Rollout.Waves) != 3 || len(s.Rollout.Waves[1]) != 2 || s.Rollout.MaxFailures != 1 || s.Jobs[4].Online ||
		s.Steps[1].Command != "sudo systemctl restart nginx" || !strings.HasPrefix(s.Steps[1].When, "step.before") {
		t.Errorf("document %+v", document)
	}
}

func TestCommandsThatDifferAreListedByTarget(t *testing.T) {
	document, err := newBench(t, 2).plan(oneStep(`command = ["echo", target.name]`)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, string(document), `"commands":{"i-00000000000000001":"echo web-01","i-00000000000000002":"echo web-02"}`)
}

// One plan answers many goroutines at once, each about its own job.
func TestPlanAnswersManyGoroutines(t *testing.T) {
	b := prodWebs(t, 40)
	p := b.plan(restartRunbook)
	facts := b.run(p).facts
	s := p.Sessions[0]
	for _, job := range s.Jobs {
		facts.Jobs[job.Address] = &JobFacts{Steps: map[string]*StepFacts{}}
	}
	var wg sync.WaitGroup
	for _, job := range s.Jobs {
		wg.Go(func() {
			own := facts.Jobs[job.Address]
			if _, diags := p.PrepareJob(job, facts); diags.HasErrors() {
				t.Error(report(diags))
			}
			for _, step := range s.Steps {
				if _, diags := p.Prepare(job, step, 1, facts); diags.HasErrors() {
					t.Error(report(diags))
				}
				stdout, stderr := p.Record(job, step, facts)
				stdout.Write([]byte("active ok version=1\n"))
				code := 0
				v := p.Judge(job, step, facts, Result{Attempt: 1, ExitCode: &code, Stdout: stdout, Stderr: stderr})
				if v.Outcome != outcome.Passed {
					t.Errorf("%s: %s", step.Label, said(v))
				}
				own.Steps[step.Label] = &StepFacts{Outcome: v.Outcome, Captures: v.Captures, ExitCode: &code, Attempt: 1}
			}
		})
	}
	wg.Wait()
	for _, job := range s.Jobs {
		facts.Jobs[job.Address].Outcome = outcome.Passed
	}
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			if c := p.Conclude(facts); c.Checks[0].Outcome != outcome.Passed {
				t.Errorf("check: %+v", c.Checks[0])
			}
		})
	}
	done.Wait()
}

func TestTagsAreOnlyWantedWhenReferredTo(t *testing.T) {
	for _, c := range []struct {
		step, rest string
		want       bool
	}{
		{`command = "x"`, ``, false},
		{`command = ["x", target.id]`, ``, false},
		{`command = ["x", target.name]`, ``, true},
		{`command = ["x", target.tags["a"]]`, ``, true},
		{`command = "x"`, `output "o" { value = { for id, t in session.s : id => t.outcome } }`, false},
		{`command = "x"`, `output "o" { value = [for t in session.s : t.target.name] }`, true},
		{`command = "x"`, `output "o" { value = session.s }`, true},
		{`command = "x"`, `output "o" { value = length(targets.all) }`, false},
		{`command = "x"`, `output "o" { value = [for t in targets.all : t.tags] }`, true},
	} {
		b := newBench(t, 1)
		b.write("main.ssm.hcl", oneStep(c.step)+c.rest)
		selections, _ := b.evaluator().Selections()
		if selections[0].WantTags != c.want {
			t.Errorf("%s %s: want tags %v", c.step, c.rest, selections[0].WantTags)
		}
	}
}
