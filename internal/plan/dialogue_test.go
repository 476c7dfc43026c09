package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

func documentBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, 1)
	b.docs = map[DocumentRef]Document{
		{"aws", "Menu"}: {Name: "Menu", SessionType: "InteractiveCommands", Parameters: []string{"who"}},
	}
	return b
}

func documentStep(step string) string {
	return "targets \"all\" { tags = { Role = \"web\" } }\nvariable \"word\" {\n  type = string\n  sensitive = true\n  default = \"correct-horse\"\n}\nsession \"s\" {\n  target = targets.all\n  document = \"Menu\"\n  parameters = { who = target.name }\n  step \"x\" {\n" + step + "\n  }\n}\n"
}

const dialogueStep = `
    prompt {
      match  = "Word:"
      answer = var.word
    }
    prompt {
      match    = "(?i)code"
      answer   = "${var.word} ${regex("code ([0-9]+)", self.stdout)[0]}"
      enter    = false
      optional = true
      timeout  = "5s"
    }
    expect {
      stdout { contains = "done" }
    }
`

func TestAnswersAreRendered(t *testing.T) {
	b := documentBench(t)
	p := b.plan(documentStep(dialogueStep))
	job := p.Sessions[0].Jobs[0]
	step := p.Sessions[0].Steps[0]
	facts := &Facts{RunID: "r", Jobs: map[string]*JobFacts{job.Address: {Steps: map[string]*StepFacts{}}}}
	work, diags := p.Prepare(job, step, 1, facts)
	if diags.HasErrors() {
		t.Fatal(report(diags))
	}
	if q := work.Prompts; len(q) != 2 || q[0].Match != "Word:" || string(q[0].Answer) != "correct-horse\r" || q[0].Late || !q[1].Late || q[1].Answer != nil {
		t.Errorf("prompts %+v", q)
	}
	if fmt.Sprint(work.Conceal) != "[correct-horse]" || strings.Contains(work.Display, "horse") {
		t.Errorf("conceal %q, display %q", work.Conceal, work.Display)
	}
	wantText(t, work.Display, `run Menu with who = "`, `answer "Word:" with (sensitive value)`, "(if asked, within 5s)")

	stdout, _ := p.Record(job, step, facts)
	fmt.Fprint(stdout, "the code 4711")
	answer, conceal, diags := p.Answer(job, step, 1, facts, stdout)
	if diags.HasErrors() || string(answer) != "correct-horse 4711" {
		t.Errorf("answer %q\n%s", answer, report(diags))
	}
	if got := strings.Join(conceal, ","); !strings.Contains(got, "correct-horse") {
		t.Errorf("conceal %q", got)
	}
	empty, _ := p.Record(job, step, facts)
	if _, _, diags := p.Answer(job, step, 1, facts, empty); !diags.HasErrors() {
		t.Error("an answer from nothing")
	}
}

// A required prompt has to be asked; the verdict shows the screen.
func TestPromptsAreJudged(t *testing.T) {
	p := documentBench(t).plan(documentStep(dialogueStep))
	job, step := p.Sessions[0].Jobs[0], p.Sessions[0].Steps[0]
	judge := func(prompts []PromptResult, output string) Verdict {
		facts := &Facts{Jobs: map[string]*JobFacts{job.Address: {Steps: map[string]*StepFacts{}}}}
		stdout, stderr := p.Record(job, step, facts)
		fmt.Fprint(stdout, output)
		return p.Judge(job, step, facts, Result{Attempt: 1, Stdout: stdout, Stderr: stderr, Prompts: prompts, Screen: "last line"})
	}
	if v := judge([]PromptResult{{Asked: 1}, {}}, "done"); v.Outcome != outcome.Passed {
		t.Errorf("%+v", v)
	}
	if v := judge([]PromptResult{{Asked: 1}, {}}, "no"); v.Outcome != outcome.Failed {
		t.Errorf("%+v", v)
	}
	for _, result := range []PromptResult{{}, {Late: true}} {
		v := judge([]PromptResult{result, {}}, "done")
		e := v.Expectations[0]
		if v.Outcome != outcome.Failed || e.Passed || e.Expected != `"Word:" to be asked` || !strings.Contains(e.Got, "the screen showed:\nlast line") {
			t.Errorf("%+v", v)
		}
	}
}

// A sensitive step shows no screen.
func TestTheScreenOfASensitiveStepIsNotShown(t *testing.T) {
	p := documentBench(t).plan(documentStep("sensitive = true\n" + dialogueStep))
	job, step := p.Sessions[0].Jobs[0], p.Sessions[0].Steps[0]
	v := p.Judge(job, step, &Facts{}, Result{Attempt: 1, Prompts: []PromptResult{{Late: true}, {}}, Screen: "last line"})
	if got := v.Expectations[0].Got; strings.Contains(got, "last line") || v.Outcome != outcome.Failed {
		t.Errorf("got %q", got)
	}
}

func TestWhatTerminalsCannotTake(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "", "": "", "y": "", strings.Repeat("x", 1001): "1001 bytes",
		"a\n" + strings.Repeat("x", 1000): "",
	} {
		if got := unanswerable(text, false); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%.20q: %q", text, got)
		}
	}
	for _, text := range []string{"abc", "true", "  ab  ", "pass\tword"} {
		if unanswerable(text, true) == "" {
			t.Errorf("%q would not be masked", text)
		}
	}
	if got := string((&Step{}).typed("a\nb\r\nc", true)); got != "a\rb\rc\r" {
		t.Errorf("typed %q", got)
	}
}
