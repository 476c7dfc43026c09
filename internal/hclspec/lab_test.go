package hclspec

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLabHasWhatTheFilesSay(t *testing.T) {
	lab, diags := LoadLab("testdata/lab/good")
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	agent := defaultAgent
	agent.Version, agent.MaxPayload, agent.FirstOutputDelay = "3.2.0.0", 512, 10*time.Millisecond
	odd := agent
	odd.Pacing, odd.OutputRate, odd.UTF8 = 0, 5_000_000, false
	faults := Faults{
		Latency: 25 * time.Millisecond, StartRate: 3, Drop: 0.02, Disconnect: Trigger{Repeats: true, Messages: 200}, Seed: 7,
		Slow:        map[string]time.Duration{PhaseOpen: time.Second, PhaseExit: Never},
		API:         map[string]APIFault{"StartSession": {Error: "ThrottlingException", First: 3}, "GetDocument": {Error: "InternalServerError", Share: 0.5}},
		BadMessages: map[string]Trigger{"wrong_digest": {Repeats: true, Messages: 50}},
		AgentDies:   Trigger{Time: 2 * time.Second}, AgentBack: time.Second,
	}
	over := Faults{
		Latency: 25 * time.Millisecond, StartRate: 3, Drop: 0.5, DropBurst: 3, Seed: 7, LostStart: true,
		Jitter: 5 * time.Millisecond, Blackhole: Trigger{Messages: 1}, Reboot: Trigger{Repeats: true, Bytes: 3 << 20},
		Pause:       Pause{When: Trigger{Repeats: true, Messages: 20}, For: 2 * time.Second},
		Slow:        map[string]time.Duration{PhaseOpen: 0, PhaseExit: Never, PhaseDial: 2 * time.Second},
		API:         map[string]APIFault{"StartSession": {Error: ErrorNone}, "GetDocument": {Error: "InternalServerError", Share: 0.5}},
		BadMessages: map[string]Trigger{"wrong_digest": {}, "too_big": {Bytes: 64 << 10}},
		AgentHangs:  Trigger{Messages: 9},
	}
	want := &Lab{
		Agent:  agent,
		Faults: faults,
		KMS:    &KMS{KeyID: "alias/ssm", State: "Enabled", Deny: []string{"Decrypt"}, RequireChallenge: true},
		Nodes: []*Nodes{{
			Label: "web", Count: 20, Tags: map[string]string{"Role": "web"}, Platform: "Linux", Shell: "bash",
			Env: map[string]string{"ROLE": "web"}, Online: true,
			Units: map[string]string{"nginx": "active", "app": "failed"},
			Files: map[string]string{"etc/app.conf": "port = 1\n"}, RebootTime: 5 * time.Second,
		}, {
			Label: "odd", Count: 2, IDs: []string{"i-0123456789abcdef0", "mi-0123456789abcdef0"}, Platform: "Linux", Shell: "sh",
			User: "nobody", Isolation: "namespace", RebootTime: 2 * time.Second, Agent: &odd, Faults: &over,
			KMS: &KMS{KeyID: "alias/odd", State: "Disabled"},
		}},
	}
	if diff := cmp.Diff(want, lab, cmpopts.IgnoreTypes(Range{})); diff != "" {
		t.Errorf("lab (-want +got):\n%s", diff)
	}
}

func TestAgentHasItsHabitsUnlessSaid(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.lab.hcl": "nodes \"a\" {}\n"})
	lab, diags := LoadLabFile(dir + "/a.lab.hcl")
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	a := lab.Agent
	if a.MaxPayload != 1024 || a.FirstOutputDelay != time.Second || a.Pacing != time.Millisecond || !a.UTF8 || !a.DirectExec || !a.KillDirectChild {
		t.Errorf("agent %+v", a)
	}
	if n := lab.Nodes[0]; n.Count != 1 || !n.Online || n.Shell != "sh" || n.Platform != "Linux" || !cmp.Equal(lab.Faults, Faults{}) {
		t.Errorf("nodes %+v, faults %+v", n, lab.Faults)
	}
}

func TestLabMistakes(t *testing.T) {
	src, err := os.ReadFile("testdata/lab/bad.lab.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for i, line := range bytes.Split(src, []byte("\n")) {
		for _, m := range wanted.FindAllSubmatch(line, -1) {
			want = append(want, fmt.Sprintf("%d: %s", i+1, bytes.TrimSpace(m[1])))
		}
	}
	_, diags := LoadLabFile("testdata/lab/bad.lab.hcl")
	for _, diag := range diags {
		got = append(got, fmt.Sprintf("%d: %s", diag.Subject.Start.Line, diag.Summary))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("complaints (-want +got):\n%s", diff)
	}
	var out strings.Builder
	WriteDiagnostics(&out, diags[:1], nil, 0, false)
	if !strings.Contains(out.String(), "30000") {
		t.Errorf("diagnostics of a lab do not carry their source:\n%s", out.String())
	}
}

func TestNoLab(t *testing.T) {
	if _, diags := LoadLab(t.TempDir()); len(diags) != 1 || diags[0].Summary != "No lab here" {
		t.Error(diags)
	}
	dir := writeFiles(t, map[string]string{"a.lab.hcl": "agent {}\n"})
	if _, diags := LoadLab(dir); len(diags) != 1 || diags[0].Summary != "Lab without nodes" {
		t.Error(diags)
	}
	if _, diags := LoadLabFile(dir + "/missing.lab.hcl"); len(diags) != 1 || diags[0].Summary != "Cannot read file" {
		t.Error(diags)
	}
}
