package hclspec

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loadSources is LoadRunbook for files in memory.
func loadSources(sources map[string]string) (*Runbook, Diagnostics) {
	rb := &Runbook{Dir: ".", Files: map[string]*File{}}
	var files []*File
	var diags Diagnostics
	for _, name := range keysOf(sources) {
		file, more := parseSource(name, []byte(sources[name]))
		diags = append(diags, more...)
		files = append(files, file)
	}
	return rb, tidy(append(diags, rb.load(files)...))
}

var wanted = regexp.MustCompile(`# ERROR: ([^#\n]+)`)

// TestMistakes: every mistake of a file is complained about on its line, and
// nothing else is.
func TestMistakes(t *testing.T) {
	paths, err := filepath.Glob("testdata/error/*.ssm.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".ssm.hcl"), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for i, line := range bytes.Split(src, []byte("\n")) {
				for _, m := range wanted.FindAllSubmatch(line, -1) {
					want = append(want, fmt.Sprintf("%d: %s", i+1, bytes.TrimSpace(m[1])))
				}
			}
			_, diags := loadSources(map[string]string{name: string(src)})
			var got []string
			for _, diag := range diags {
				if diag.Subject == nil || diag.Detail == "" {
					t.Errorf("diagnostic without range or detail: %v", diag)
					continue
				}
				got = append(got, fmt.Sprintf("%d: %s", diag.Subject.Start.Line, diag.Summary))
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("complaints (-want +got):\n%s\nall:\n%s", diff, diags)
				for _, d := range diags {
					t.Log(d)
				}
			}
		})
	}
}
