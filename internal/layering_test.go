package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ssmrun/ssmrun/"

// floors says which of our packages each package may import: data flows one
// way, and an arrow may only point down. docs/architecture.md explains it.
// Everybody may import internal/outcome, and tests internal/bounds.
var floors = map[string][]string{
	"internal/bounds":   {},
	"internal/outcome":  {},
	"internal/quote":    {},
	"internal/event":    {},
	"internal/channel":  {},
	"internal/tunnel":   {"internal/channel"},
	"internal/awscli":   {},
	"internal/shell":    {"internal/quote"},
	"internal/dialogue": {},
	"internal/hclspec":  {"internal/quote"},
	"internal/plan":     {"internal/hclspec", "internal/quote"},
	"internal/fleet":    {"internal/channel", "internal/hclspec", "internal/plan"},
	"internal/exec":     {"internal/channel", "internal/dialogue", "internal/event", "internal/plan", "internal/shell", "internal/tunnel"},
	"internal/lab":      {"internal/channel", "internal/hclspec", "internal/tunnel"},
	"internal/runstore": {"internal/event"},
	"internal/view":     {"internal/event", "internal/plan"},

	"internal/shell/stepserver": {}, // a program of its own, for targets
}

// owners says who may import an outside library, by module path prefix. The
// longest prefix decides. Test files may use the test libraries, and creack/pty
// to make a terminal.
var owners = map[string][]string{
	"github.com/gorilla/websocket":              {"internal/channel"},
	"github.com/xtaci/smux":                     {"internal/tunnel"},
	"github.com/hashicorp/hcl/v2":               {"internal/hclspec"},
	"github.com/zclconf/go-cty":                 {"internal/hclspec", "internal/plan"},
	"github.com/zclconf/go-cty-yaml":            {"internal/hclspec"},
	"github.com/agext/levenshtein":              {"internal/hclspec"},
	"golang.org/x/text":                         {"internal/hclspec"},
	"golang.org/x/text/width":                   {"internal/awscli"},
	"github.com/jmespath-community/go-jmespath": {"internal/plan", "internal/awscli"},
	"github.com/aws/aws-sdk-go-v2":              {"internal/fleet"},
	"github.com/aws/smithy-go":                  {"internal/fleet"},
	"golang.org/x/time":                         {"internal/fleet"},
	"github.com/creack/pty":                     {"internal/lab"},
	"github.com/spf13/cobra":                    {"cmd/ssmrun"},
	"github.com/spf13/pflag":                    {"cmd/ssmrun"},
	"golang.org/x/term":                         {"cmd/ssmrun"},
	"golang.org/x/sync":                         {"*"},
	"golang.org/x/sys":                          {"*"},
}

var testOnly = []string{
	"github.com/creack/pty",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"go.uber.org/goleak",
	"pgregory.net/rapid",
}

func TestArrowsPointDown(t *testing.T) {
	seen := map[string]bool{}
	eachImport(t, func(pkg, file, imported string) {
		seen[pkg] = true
		ours, ok := strings.CutPrefix(imported, module)
		if !ok || ours == pkg || ours == "internal/outcome" || strings.HasPrefix(pkg, "cmd/") {
			return
		}
		if strings.HasSuffix(file, "_test.go") && (strings.HasPrefix(ours, pkg+"/") || ours == "internal/bounds") {
			return
		}
		if !slices.Contains(floors[pkg], ours) {
			t.Errorf("%s imports %s: that arrow points up or sideways; %s may import %v", file, ours, pkg, floors[pkg])
		}
	})
	for pkg := range seen {
		if _, ok := floors[pkg]; !ok && !strings.HasPrefix(pkg, "cmd/") && pkg != "internal" {
			t.Errorf("package %s is not in the floors table: say there what it may import", pkg)
		}
	}
	for pkg := range floors {
		if !seen[pkg] {
			t.Errorf("package %s of the floors table has no Go file", pkg)
		}
	}
}

func TestOutsideLibrariesHaveOneOwner(t *testing.T) {
	eachImport(t, func(pkg, file, imported string) {
		first, _, _ := strings.Cut(imported, "/")
		if !strings.Contains(first, ".") || strings.HasPrefix(imported, module) {
			return
		}
		if strings.HasSuffix(file, "_test.go") && slices.ContainsFunc(testOnly, func(m string) bool { return within(imported, m) }) {
			return
		}
		owner, best := []string(nil), ""
		for m, o := range owners {
			if within(imported, m) && len(m) > len(best) {
				owner, best = o, m
			}
		}
		if best == "" {
			t.Errorf("%s imports %s, which has no owner in the table", file, imported)
		} else if !slices.Contains(owner, pkg) && owner[0] != "*" {
			t.Errorf("%s imports %s, which belongs to %v", file, imported, owner)
		}
	})
}

// Reflection over methods by name turns the linker's dead-code elimination
// off, and the binary grows from about 15 to 46 MB.
func TestNoTemplatePackages(t *testing.T) {
	eachImport(t, func(_, file, imported string) {
		if imported == "text/template" || imported == "html/template" {
			t.Errorf("%s imports %s, which turns dead-code elimination off", file, imported)
		}
	})
}

func within(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

// eachImport calls f for every Go file of the project, with no import, and for
// every import of it.
func eachImport(t *testing.T, f func(pkg, file, imported string)) {
	t.Helper()
	root := ".."
	files := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != root) {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		f(path.Dir(rel), rel, "")
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f(path.Dir(rel), rel, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file found: the test runs in the wrong directory")
	}
}
