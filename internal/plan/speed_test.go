package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

func manySessions(n int) string {
	var b strings.Builder
	b.WriteString("targets \"all\" { tags = { Role = \"web\" } }\nlocals { n = 3 }\n")
	for i := range n {
		fmt.Fprintf(&b, `session "s%d" {
  target = targets.all
  reason = "session ${local.n}"
  env    = { N = local.n }
  step "a" {
    command  = ["echo", "${local.n}", target.id]
    captures = { v = trimspace(self.stdout) }
  }
  step "b" {
    when    = step.a.captures.v != ""
    command = "echo ${shellquote(step.a.captures.v)} %d"
  }
}
`, i, i)
	}
	return b.String()
}

func BenchmarkPlanThousandSessions(b *testing.B) {
	bench := newBench(b, 3)
	bench.write("main.ssm.hcl", manySessions(1000))
	benchmarkPlan(b, bench)
}

func BenchmarkPlanTenThousandTargets(b *testing.B) {
	bench := prodWebs(b, 10_000)
	bench.write("main.ssm.hcl", strings.Replace(restartRunbook, "max = 200", "max = 20000", 1))
	benchmarkPlan(b, bench)
}

func benchmarkPlan(b *testing.B, bench *bench) {
	for b.Loop() {
		e := bench.evaluator()
		selections, _ := e.Selections()
		found := bench.nodes.find(selections)
		p, diags := e.Plan(found, bench.docs)
		if diags.HasErrors() {
			b.Fatal(report(diags))
		}
		if _, err := p.JSON(); err != nil {
			b.Fatal(err)
		}
	}
}

// A run's cost is linear in its jobs: jobs that look at a whole other session
// share its value.
func TestJobsShareSessionValues(t *testing.T) {
	b := newBench(t, 2000)
	p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "a" {
  target = targets.all
  step "x" {
    command  = "x"
    captures = { v = self.stdout }
  }
}
session "b" {
  target = targets.all
  step "x" { command = ["x", session.a[target.id].step.x.captures.v] }
}
`)
	r := b.run(p)
	for i, job := range r.session("a").Jobs {
		r.judge(job, "x", fmt.Sprint(i), 0)
		r.end(job)
	}
	began := time.Now()
	for i, job := range r.session("b").Jobs {
		if got, want := string(r.work(job, "x").Script), fmt.Sprintf("x %d", i); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		r.job(job).Outcome = outcome.Passed
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("2,000 jobs took %s", took)
	}
}
