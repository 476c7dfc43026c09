package outcome

import "testing"

func TestWorseTakesTheWorseAndForgetsNothing(t *testing.T) {
	for i, a := range All {
		for j, b := range All {
			want := All[max(i, j)]
			if got := Worse(a, b); got != want {
				t.Errorf("Worse(%s, %s) = %s, want %s", a, b, got, want)
			}
		}
		if got := Worse("", a); got != a {
			t.Errorf("Worse(none, %s) = %s, want %s", a, got, a)
		}
	}
}

// A skipped step leaves its job passed; what is not known outweighs all else.
func TestOrderOfVerdicts(t *testing.T) {
	for _, c := range []struct{ a, b, want Outcome }{
		{Passed, Skipped, Passed},
		{Failed, Unknown, Unknown},
		{Cancelled, Failed, Failed},
		{Passed, NotStarted, NotStarted},
	} {
		if got := Worse(c.a, c.b); got != c.want {
			t.Errorf("Worse(%s, %s) = %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestBudgetCountsWhatDidNotWork(t *testing.T) {
	counts := map[Outcome]bool{Failed: true, TimedOut: true, Unreachable: true, Unknown: true}
	for _, o := range All {
		if got := o.CountsAgainstBudget(); got != counts[o] {
			t.Errorf("%s counts against the budget: %v, want %v", o, got, counts[o])
		}
	}
}

func TestExitCodes(t *testing.T) {
	jobs := func(outcomes ...Outcome) map[Outcome]int {
		m := map[Outcome]int{Passed: 1}
		for _, o := range outcomes {
			m[o]++
		}
		return m
	}
	for name, c := range map[string]struct {
		tally Tally
		want  int
	}{
		"all passed":                {Tally{Jobs: jobs()}, 0},
		"skipped is no failure":     {Tally{Jobs: jobs(Skipped)}, 0},
		"failed":                    {Tally{Jobs: jobs(Failed)}, 3},
		"timed out":                 {Tally{Jobs: jobs(TimedOut)}, 3},
		"check failed":              {Tally{Jobs: jobs(), ChecksFailed: true}, 3},
		"unreachable":               {Tally{Jobs: jobs(Unreachable)}, 4},
		"failed before unreachable": {Tally{Jobs: jobs(Failed, Unreachable)}, 3},
		"halted before failed":      {Tally{Jobs: jobs(Failed), Halted: true}, 5},
		"unknown before halted":     {Tally{Jobs: jobs(Failed, Unknown), Halted: true}, 6},
		"unknown when interrupted":  {Tally{Jobs: jobs(Unknown), Interrupted: true}, 6},
		"interrupted":               {Tally{Jobs: jobs(Failed, NotStarted), Interrupted: true}, 130},
		"refused":                   {Tally{Jobs: jobs(Cancelled), Refused: true}, 7},
	} {
		if got := c.tally.ExitCode(); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}
