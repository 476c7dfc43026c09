package view

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

func target(i int) plan.Target {
	return plan.Target{
		ID: fmt.Sprintf("i-%017x", i), Name: fmt.Sprintf("web-%02d", i), Platform: "Linux",
		IP: fmt.Sprintf("10.0.0.%d", i), Region: "eu-west-1", Online: i%7 != 5, PingStatus: "ConnectionLost", Provider: "aws",
	}
}

func planned(name string, targets int, steps ...*plan.Step) *plan.Session {
	s := &plan.Session{Address: "session." + name, Name: name, Kind: plan.KindShell, Steps: steps,
		Rollout: plan.Rollout{Waves: []int{targets}, MaxFailures: -1}}
	for i := range targets {
		t := target(i)
		s.Jobs = append(s.Jobs, &plan.Job{Address: s.Address + fmt.Sprintf("[%q]", t.ID), Session: s, Target: t})
	}
	return s
}

func samplePlan() *plan.Plan {
	restart := planned("restart", 25,
		&plan.Step{Label: "before", Action: plan.ActionCommand},
		&plan.Step{Label: "restart", Action: plan.ActionCommand, Timeout: time.Minute, Idempotent: true, Retry: plan.Retry{Attempts: 3},
			When: `step.before.captures.state == "active"`},
		&plan.Step{Label: "secret", Action: plan.ActionCommand, Sensitive: true, OnFailureContinue: true})
	restart.Finally = []*plan.Step{{Label: "log", Finally: true, Action: plan.ActionCommand, Timeout: 30 * time.Second}}
	restart.Reason = "CHG-4711: restart nginx\x1b[2J"
	restart.Timeout = 90 * time.Minute
	restart.Rollout = plan.Rollout{Waves: []int{1, 3, 25}, MaxParallel: 50, MaxFailures: 1, Pause: 30 * time.Second, ApproveWaves: true, Implied: true}

	audit := planned("audit", 3, &plan.Step{Label: "read", Action: plan.ActionScript}, &plan.Step{Label: "also", Action: plan.ActionCommand})
	audit.Kind = plan.KindCommand
	audit.DependsOn = []string{"session.restart"}
	audit.AfterEnded = true
	audit.When = "var.audit"
	for _, j := range audit.Jobs {
		j.Document = "AWS-StartNonInteractiveCommand"
	}
	audit.Jobs[2].Kind = plan.KindShell
	audit.Jobs[2].Document = ""

	return &plan.Plan{
		Providers: []plan.Provider{{Key: "aws", StartRate: 2}},
		Sessions:  []*plan.Session{restart, audit, planned("nobody", 0)},
		Documents: map[plan.DocumentRef]plan.Document{
			{Provider: "aws", Name: "AWS-StartNonInteractiveCommand"}: {SessionType: "NonInteractiveCommands", Version: "3", RunAs: "ops",
				KMSKeyID: "alias/ssm", LogSinks: []string{"s3://logs", "CloudWatch /ssm"}, IdleTimeout: 20 * time.Minute, MaxSessionTime: time.Hour},
		},
		Found: []plan.Found{{Address: "targets.web", Missing: []plan.Missing{{ID: "i-0bad", Why: "stopped, unknown or not yours"}}}},
	}
}

func preview(j *plan.Job, s *plan.Step) string {
	switch s.Label {
	case "before":
		return "systemctl is-active nginx"
	case "restart":
		return "set -e\nsystemctl restart '(known after step)'\n\tprintf '\x1b]0;x\x07'"
	case "secret":
		return "login '(sensitive value)'"
	case "read":
		return "cat /etc/" + j.Target.Name[:6]
	}
	return ""
}

func how(_ *plan.Job, s *plan.Step) string {
	if s.Label == "read" {
		return "as deploy, in /srv"
	}
	return ""
}

func shownPlan(t testing.TB, p *plan.Plan, opts Options) []byte {
	t.Helper()
	var out bytes.Buffer
	v := &planView{printer: printer{w: &out, opts: opts}, plan: p, preview: preview, how: how, tunnel: noTunnel}
	if err := v.show(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPlan(t *testing.T) {
	got := shownPlan(t, samplePlan(), Options{Width: 80})
	golden(t, "plan", got)
	for line := range strings.Lines(string(got)) {
		if line = strings.TrimSuffix(line, "\n"); !safe(line, true) {
			t.Errorf("the line %q is not safe to print", line)
		}
	}
	for i := range 25 {
		if !bytes.Contains(got, []byte(target(i).ID)) {
			t.Errorf("target %d is not named", i)
		}
	}
}

// What is the same with two providers is said once.
func TestPlanNamesEachWayOnce(t *testing.T) {
	s := planned("s", 2, &plan.Step{Label: "a", Action: plan.ActionCommand})
	s.Jobs[1].Target.Provider = "aws.eu"
	got := shownPlan(t, &plan.Plan{Sessions: []*plan.Session{s}}, Options{})
	if n := bytes.Count(got, []byte("shell preferences")); n != 1 {
		t.Errorf("%d times:\n%s", n, got)
	}
}

func TestPlanOfNothing(t *testing.T) {
	p := &plan.Plan{Sessions: []*plan.Session{planned("nobody", 0)}}
	if got := shownPlan(t, p, Options{}); !bytes.Contains(got, []byte("nothing to run")) {
		t.Errorf("got %s", got)
	}
	if Jobs(p) != 0 || Targets(p) != 0 {
		t.Error("it has jobs")
	}
}

func TestPlanFacts(t *testing.T) {
	facts := PlanFacts(samplePlan(), Options{})
	if len(facts) != 4 {
		t.Fatalf("%d facts", len(facts))
	}
	// 25 + 2·2 + 1 calls at two a second, beside each other in one quota.
	want := event.PlanSummary{Sessions: 3, Jobs: 28, Targets: 25, Offline: 3, Starts: 30, Seconds: 14.5}
	if diff := cmp.Diff(want, facts[3]); diff != "" {
		t.Error(diff)
	}
	first := facts[0].(event.PlannedSession)
	if len(first.Targets) != 25 || len(first.Waves) != 3 || len(first.Waves[1]) != 2 || first.StartTime != 12 ||
		fmt.Sprint(first.Steps) != "[step.before step.restart step.secret finally.log]" {
		t.Errorf("got %+v", first)
	}
}

func TestStartTimeFollowsTheQuota(t *testing.T) {
	p := samplePlan()
	for rate, want := range map[float64]float64{0: 14.5, 1: 29, math.Inf(1): 0} {
		facts := PlanFacts(p, Options{StartRate: rate})
		if got := facts[len(facts)-1].(event.PlanSummary).Seconds; got != want {
			t.Errorf("at %v a second: %v s, want %v", rate, got, want)
		}
	}
	// Another region has a quota of its own.
	for _, j := range p.Sessions[0].Jobs[:12] {
		j.Target.Region = "us-east-1"
	}
	facts := PlanFacts(p, Options{})
	if got := facts[len(facts)-1].(event.PlanSummary).Seconds; got != 8.5 {
		t.Errorf("over two regions: %v s", got)
	}
}

func BenchmarkPlanOf10000(b *testing.B) {
	p := &plan.Plan{Sessions: []*plan.Session{planned("many", 10_000, &plan.Step{Label: "before"}, &plan.Step{Label: "read"})}}
	for b.Loop() {
		v := &planView{printer: printer{w: io.Discard}, plan: p, preview: preview, how: how, tunnel: noTunnel}
		if err := v.show(); err != nil {
			b.Fatal(err)
		}
	}
}

func noTunnel(*plan.Job) string { return "" }
