package hclspec

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// addCorpus seeds a fuzz target with the files of the tests.
func addCorpus(f *testing.F, add func(src []byte, json bool)) {
	f.Helper()
	for _, pattern := range []string{"testdata/error/*.ssm.hcl", "testdata/good/*/*", "testdata/lab/*.lab.hcl", "testdata/lab/good/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatal(pattern, err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			add(src, filepath.Ext(path) == ".json")
		}
	}
}

// loadCost is what loading may allocate: a runbook is a tree of syntax, with the
// place of each token, and then one of values.
func loadCost(src []byte) int { return 1<<20 + 512*len(src) }

// FuzzLoadRunbook: no bytes make a runbook that panics or hangs, and every
// complaint can be written.
func FuzzLoadRunbook(f *testing.F) {
	addCorpus(f, func(src []byte, json bool) { f.Add(src, json) })
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		name := "f.ssm.hcl"
		if json {
			name = "f.ssm.json"
		}
		var rb *Runbook
		var diags Diagnostics
		bounds.Check(t, loadCost(src), func() { rb, diags = loadSources(map[string]string{name: string(src)}) })
		if rb == nil {
			t.Fatal("no runbook")
		}
		for _, diag := range diags {
			if diag.Summary == "" || diag.Detail == "" && diag.Severity == SeverityError {
				t.Errorf("empty diagnostic %+v", diag)
			}
		}
		WriteDiagnostics(io.Discard, diags, rb.Files, 80, false)
		if !diags.HasErrors() {
			_, diags := LoadValues(rb, "", nil, nil)
			WriteDiagnostics(io.Discard, diags, rb.Files, 0, true)
		}
	})
}

// FuzzExpression: no expression that is let through can stop the process.
func FuzzExpression(f *testing.F) {
	src, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		expr, _, _ := strings.Cut(line, "\t")
		f.Add(expr)
	}
	files := NewSnapshot("testdata/files")
	f.Fuzz(func(t *testing.T, expr string) {
		_, diags := evaluateText(expr, files, secrets())
		WriteDiagnostics(io.Discard, diags, nil, 60, false)
	})
}

// FuzzLabFile: no bytes make a lab that panics.
func FuzzLabFile(f *testing.F) {
	addCorpus(f, func(src []byte, _ bool) { f.Add(src) })
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte) {
		path := filepath.Join(dir, "f.lab.hcl")
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		var lab *Lab
		var diags Diagnostics
		bounds.Check(t, loadCost(src), func() { lab, diags = LoadLabFile(path) })
		WriteDiagnostics(io.Discard, diags, nil, 80, false)
		total := 0
		for _, n := range lab.Nodes {
			total += n.Count
		}
		if !diags.HasErrors() && total > maxNodes {
			t.Errorf("%d nodes", total)
		}
	})
}
