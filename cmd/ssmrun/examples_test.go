package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected summaries of the examples anew")

// exampleSummary is what an example's run came to: what does not depend on the
// clock or the machine.
type exampleSummary struct {
	ExitCode int                        `json:"exit_code"`
	Jobs     map[string]int             `json:"jobs"`
	Checks   map[string]int             `json:"checks,omitempty"`
	Outputs  map[string]json.RawMessage `json:"outputs"`
}

// TestExamples runs every example in its lab and compares its summary with the
// one in testdata/examples.
func TestExamples(t *testing.T) {
	readmes, err := filepath.Glob("../../examples/*/README.md")
	if err != nil || len(readmes) < 6 {
		t.Fatalf("found %d examples (%v), want six or more", len(readmes), err)
	}
	for _, readme := range readmes {
		dir := filepath.Dir(readme)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book := t.TempDir() // what it downloads arrives beside it
			if err := os.CopyFS(book, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			result := runCommand(t, t.TempDir(), "apply", "-lab", "-auto-approve", "-json", book)
			got := summarize(t, result)
			golden := filepath.Join("testdata", "examples", name+".json")
			text, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				write(t, golden, string(text)+"\n")
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)+"\n"); diff != "" {
				t.Errorf("the summary differs (-want +got):\n%s\n%s", diff, tail(result.stdout))
			}
		})
	}
}

// summarize reads a run's events.
func summarize(t *testing.T, result commandResult) exampleSummary {
	t.Helper()
	got := exampleSummary{ExitCode: result.code, Outputs: map[string]json.RawMessage{}}
	first := true
	for line := range strings.Lines(result.stdout) {
		var ev struct {
			Type     string
			ExitCode int `json:"exit_code"`
			Jobs     json.RawMessage
			Checks   map[string]int
			Outputs  map[string]struct{ Value json.RawMessage }
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v in %q\n%s", err, line, result.stderr)
		}
		if first && ev.Type != "version" {
			t.Errorf("the first event is %s, want version", ev.Type)
		}
		first = false
		switch ev.Type {
		case "run_summary":
			if err := json.Unmarshal(ev.Jobs, &got.Jobs); err != nil {
				t.Fatal(err)
			}
			got.Checks = ev.Checks
			if ev.ExitCode != result.code {
				t.Errorf("run_summary says exit code %d and the process ended with %d", ev.ExitCode, result.code)
			}
		case "outputs":
			for name, o := range ev.Outputs {
				got.Outputs[name] = o.Value
			}
		}
	}
	return got
}
