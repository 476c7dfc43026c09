package plan

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rolloutOn plans a session of n targets with a rollout block.
func rolloutOn(t testing.TB, n int, attributes string) Rollout {
	t.Helper()
	p := newBench(t, n).plan(`
targets "all" {
  tags = { Role = "web" }
}
session "s" {
  target = targets.all
  rollout {
    ` + attributes + `
  }
  step "x" { command = ["true"] }
}
`)
	s := p.Sessions[0]
	count := make([]int, len(s.Rollout.Waves))
	for _, job := range s.Jobs {
		count[job.Wave]++
	}
	started := 0
	for i, n := range count {
		if started += n; started != s.Rollout.Waves[i] {
			t.Errorf("wave %d ends at job %d, want %d", i, started, s.Rollout.Waves[i])
		}
	}
	return s.Rollout
}

func TestWaves(t *testing.T) {
	for _, c := range []struct {
		n     int
		waves string
		want  []int
	}{
		{50, `[1, "10%", "100%"]`, []int{1, 5, 50}},
		{25, `[1, "10%"]`, []int{1, 3, 25}},
		{3, `[1, "10%", "100%"]`, []int{1, 3}},
		{1, `[1, "10%", "100%"]`, []int{1}},
		{10, `[2, 5]`, []int{2, 5, 10}},
		{10, `["33.4%"]`, []int{4, 10}},
		{10, `[5, "10%", "50%", "60%"]`, []int{5, 6, 10}},
		{7, `["100%"]`, []int{7}},
		{7, `[100]`, []int{7}},
		{10, `["70%"]`, []int{7, 10}},
	} {
		got := rolloutOn(t, c.n, "waves = "+c.waves).Waves
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d targets, %s (-want +got):\n%s", c.n, c.waves, diff)
		}
	}
}

func TestWavesAreCumulativeAndComplete(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 500).Draw(rt, "targets")
		percents := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 6).Draw(rt, "percents")
		least := 0
		var entries []string
		for _, p := range percents {
			if p < least {
				p = least
			}
			least = p
			entries = append(entries, fmt.Sprintf("%d%%", p))
		}
		waves := wavesOf(entries, n)
		started := 0
		for _, w := range waves {
			if w <= started {
				rt.Fatalf("wave adds nothing: %v of %d", waves, n)
			}
			started = w
		}
		if started != n {
			rt.Fatalf("waves end at %d of %d", started, n)
		}
		for _, entry := range entries {
			var p int
			fmt.Sscanf(entry, "%d%%", &p)
			want := int(math.Ceil(float64(p*n) / 100))
			found := want == 0
			for _, w := range waves {
				found = found || w == want
			}
			if !found {
				rt.Fatalf("%s of %d is %d, not among %v", entry, n, want, waves)
			}
		}
	})
}

// wavesOf reads percentages without a runbook around them.
func wavesOf(entries []string, n int) []int {
	var found problems
	a := attributes{problems: &found}
	return a.waves(literalTexts(entries), n)
}

func TestBudgetAndDefaults(t *testing.T) {
	for _, c := range []struct {
		n          int
		attributes string
		want       Rollout
	}{
		{12, ``, Rollout{Waves: []int{12}, OnHalt: "finish_step"}},
		{12, `max_failures = 3`, Rollout{Waves: []int{12}, MaxFailures: 3, OnHalt: "finish_step"}},
		{19, `max_failures = "10%"`, Rollout{Waves: []int{19}, MaxFailures: 1, OnHalt: "finish_step"}},
		{19, `max_failures = "100%"
			on_halt = "cancel"
			approve_waves = true
			max_parallel = 4`, Rollout{Waves: []int{19}, MaxFailures: 19, OnHalt: "cancel", ApproveWaves: true, MaxParallel: 4}},
	} {
		if diff := cmp.Diff(c.want, rolloutOn(t, c.n, c.attributes)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.attributes, diff)
		}
	}
}

func TestSessionWithoutRolloutIsSafe(t *testing.T) {
	for n, want := range map[int]Rollout{
		1:  {Waves: []int{1}, MaxFailures: -1, OnHalt: "finish_step", Implied: true},
		10: {Waves: []int{10}, MaxFailures: -1, OnHalt: "finish_step", Implied: true},
		11: {Waves: []int{1, 11}, MaxFailures: 1, MaxParallel: 50, OnHalt: "finish_step", Implied: true},
		45: {Waves: []int{1, 45}, MaxFailures: 4, MaxParallel: 50, OnHalt: "finish_step", Implied: true},
	} {
		p := newBench(t, n).plan(`
targets "all" { tags = { Role = "web" } }
session "s" {
  target = targets.all
  step "x" { command = ["true"] }
}
`)
		if diff := cmp.Diff(want, p.Sessions[0].Rollout); diff != "" {
			t.Errorf("%d targets (-want +got):\n%s", n, diff)
		}
	}
}

func TestRolloutOrder(t *testing.T) {
	b := newBench(t, 4)
	for i, name := range []string{"d", "c", "b", "a"} {
		b.nodes[i].Name = name
	}
	for order, want := range map[string]string{
		`"id"`:   "d c b a",
		`"name"`: "a b c d",
		`["i-00000000000000003", "i-00000000000000001"]`: "b d c a",
		`[for t in targets.all : t.id if t.name == "c"]`: "c d b a",
	} {
		p := b.plan(`
targets "all" { tags = { Role = "web" } }
session "s" {
  target = targets.all
  rollout { order = ` + order + ` }
  step "x" { command = ["true"] }
}
`)
		var got []string
		for _, job := range p.Sessions[0].Jobs {
			got = append(got, job.Target.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("order %s: %v, want %s", order, got, want)
		}
	}
}

func TestRolloutMistakes(t *testing.T) {
	for attributes, want := range map[string]string{
		`waves = []`:             "Bad waves",
		`waves = [0]`:            "Bad waves",
		`waves = ["0%"]`:         "Bad waves",
		`waves = ["101%"]`:       "Bad waves",
		`waves = [5, 3]`:         "Bad waves",
		`waves = ["50%", "10%"]`: "Bad waves",
		`waves = ["ten"]`:        "Bad waves",
		`waves = 3`:              "Bad waves",
		`max_failures = -1`:      "Bad max_failures",
		`max_failures = "5"`:     "",
		`max_failures = 1.5`:     "Bad max_failures",
		`max_parallel = 0`:       "Number out of range",
		`max_parallel = 1e99`:    "Number out of range",
		`on_halt = "explode"`:    "on_halt",
		`order = "size"`:         "Bad order",
		`pause = "soon"`:         "soon",
		`waves = [1, target.id]`: "target",
		`max_failures = run.id`:  "run",
		`max_parallel = uuid()`:  "uuid",
	} {
		b := newBench(t, 5)
		_, diags := b.evaluate(`
targets "all" { tags = { Role = "web" } }
session "s" {
  target = targets.all
  rollout { ` + attributes + ` }
  step "x" { command = ["true"] }
}
`)
		if want == "" {
			if diags.HasErrors() {
				t.Errorf("%s: %s", attributes, report(diags))
			}
			continue
		}
		if !diags.HasErrors() || !strings.Contains(report(diags), want) {
			t.Errorf("%s: want %q in\n%s", attributes, want, report(diags))
		}
	}
}
