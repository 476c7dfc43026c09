package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/awscli"
)

// startSessionFlags are the options of start-session, sorted.
func startSessionFlags() []string {
	flags := []string{"--" + separateOutput}
	for _, o := range awscli.Options() {
		flags = append(flags, "--"+o.Name)
	}
	slices.Sort(flags)
	return flags
}

var flagName = regexp.MustCompile("--[a-z0-9-]+")

// TestEveryOptionIsDocumented: the table of docs/start-session.md has each
// option once and no other, and so does the help.
func TestEveryOptionIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/start-session.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "\n| AWS CLI | ssmrun |\n|---|---|\n")
	table, _, end := strings.Cut(table, "\n\n")
	if !ok || !end {
		t.Fatal("the table of options is gone")
	}
	var documented []string
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, " | ")
		if len(cells) != 2 {
			t.Fatalf("a row has %d cells: %s", len(cells), row)
		}
		first := flagName.FindAllString(cells[0], -1)
		if first == nil { // ours alone
			first = flagName.FindAllString(cells[1], 1)
		}
		documented = append(documented, first...)
	}
	slices.Sort(documented)
	if diff := cmp.Diff(startSessionFlags(), documented); diff != "" {
		t.Errorf("docs/start-session.md (-flags +documented)\n%s", diff)
	}

	help := runCommand(t, t.TempDir(), "start-session", "--help")
	var helped []string
	for line := range strings.SplitSeq(help.stdout, "\n") {
		if strings.HasPrefix(line, "  --") {
			helped = append(helped, flagName.FindString(line))
		}
	}
	slices.Sort(helped)
	if diff := cmp.Diff(startSessionFlags(), helped); diff != "" {
		t.Errorf("help (-flags +helped)\n%s", diff)
	}
}

// TestEveryOptionIsInAScript: what an option does is seen in a script that a
// user could type.
func TestEveryOptionIsInAScript(t *testing.T) {
	names, err := filepath.Glob("testdata/script/start_session_*.txt")
	if err != nil {
		t.Fatal(err)
	}
	typed := map[string]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if !strings.HasPrefix(line, "#") && strings.Contains(line, " start-session ") {
				for _, flag := range flagName.FindAllString(line, -1) {
					typed[flag] = true
				}
			}
		}
	}
	for _, flag := range startSessionFlags() {
		if !typed[flag] {
			t.Errorf("%s is in no testdata/script/start_session_*.txt", flag)
		}
	}
}
