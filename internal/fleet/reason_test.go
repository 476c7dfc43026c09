package fleet

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestReason(t *testing.T) {
	const run, job = "20260131-1a2b", `session.restart["i-0ab"]`
	const suffix = `ssmrun/20260131-1a2b/session.restart["i-0ab"]`
	for _, c := range []struct{ name, reason, want string }{
		{"plain", "CHG-4711: restart nginx", "CHG-4711: restart nginx " + suffix},
		{"empty", "", suffix},
		{"blank", " \n ", suffix},
		{"lines", "one\ntwo\tthree", "one two three " + suffix},
		{"long", strings.Repeat("x", 400), strings.Repeat("x", 256-len(suffix)-1) + " " + suffix},
		{"emoji count twice", strings.Repeat("🙂", 200), strings.Repeat("🙂", (256-len(suffix)-1)/2) + " " + suffix},
	} {
		if got := Reason(c.reason, run, job); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReasonFitsAndKeepsTheMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reason := rapid.String().Draw(t, "reason")
		job := rapid.StringN(1, 600, -1).Draw(t, "job")
		got := Reason(reason, "run-1", job)
		if units(got) > 256 || !utf8.ValidString(got) {
			t.Fatalf("%d characters, valid %v: %q", units(got), utf8.ValidString(got), got)
		}
		if !strings.HasPrefix(got, "ssmrun/run-1/") && !strings.Contains(got, " ssmrun/run-1/") {
			t.Fatalf("no mark in %q", got)
		}
		if got != Reason(reason, "run-1", job) {
			t.Fatal("not the same twice")
		}
	})
}

func TestReasonTellsLongJobsApart(t *testing.T) {
	long := `session.restart["` + strings.Repeat("k", 300)
	a, b := Reason("why", "r", long+`"]["i-1"]`), Reason("why", "r", long+`x"]["i-1"]`)
	if a == b {
		t.Error("two jobs have one reason")
	}
	if !strings.HasSuffix(a, `"]["i-1"]`) || !strings.HasPrefix(a, `ssmrun/r/session.restart["`) {
		t.Errorf("job is not recognisable in %q", a)
	}
}
