package hclspec

import (
	"os"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func load(t *testing.T, dir string) *Runbook {
	t.Helper()
	rb, diags := LoadRunbook(dir)
	for _, diag := range diags {
		t.Error(diag)
	}
	return rb
}

// TestGoodRunbooksLoad: what the design shows, and every block and argument,
// gives no diagnostic.
func TestGoodRunbooksLoad(t *testing.T) {
	entries, err := os.ReadDir("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) { load(t, "testdata/good/"+entry.Name()) })
	}
}

func TestRunbookHasWhatTheFilesSay(t *testing.T) {
	rb := load(t, "testdata/good/design")
	if rb.Settings.RequiredVersion != ">= 0.1" {
		t.Errorf("required version %q", rb.Settings.RequiredVersion)
	}
	s := rb.Sessions[0]
	if s.Name != "restart" || len(s.Steps) != 3 || len(s.Finally) != 1 || s.Rollout == nil || s.Provider != nil {
		t.Errorf("session %+v", s)
	}
	if ref := rb.Selectors[0].Provider; ref == nil || ref.Name != "aws" || ref.Alias != "" {
		t.Errorf("provider of the selector: %+v", ref)
	}
	healthy := s.Steps[2]
	if len(healthy.Expect.Stdout) != 2 || healthy.Expect.Stdout[1].Tests[0].Name != "matches" ||
		healthy.Captures[0].Name != "version" || healthy.Retry.Attempts == nil || healthy.Retry.Within != nil {
		t.Errorf("step %+v", healthy)
	}
	if healthy.Range.Filename != "main.ssm.hcl" {
		t.Errorf("range %v is not relative to the directory", healthy.Range)
	}
	if got := rb.Snippet(healthy.Captures[0].Range); got != `captures = { version = regex("version=(\\S+)", self.stdout)[0] }` {
		t.Errorf("snippet %q", got)
	}
}

// TestJSONMeansTheSame: an expression in JSON evaluates, and refers, as in
// native syntax.
func TestJSONMeansTheSame(t *testing.T) {
	rb := load(t, "testdata/good/json")
	scope := &Scope{Variables: map[string]cty.Value{
		"var":   cty.ObjectVal(map[string]cty.Value{"names": rb.Variables[0].Default}),
		"local": cty.ObjectVal(map[string]cty.Value{"upper": cty.TupleVal([]cty.Value{cty.StringVal("A")})}),
	}, Functions: Functions(FunctionOptions{})}
	for i, want := range []string{`["A"]`, `{"a":["a",1,true,null]}`} {
		local := rb.Locals[i]
		v, diags := local.Expr.Value(scope)
		if got := result(v, diags); got != want {
			t.Errorf("local.%s is %s, want %s", local.Name, got, want)
		}
	}
	command := rb.Sessions[0].Steps[0].Command
	v, diags := command.Value(scope)
	if got := result(v, diags); got != `["echo","A","${HOME}"]` {
		t.Errorf("command %s", got)
	}
	if refs := References(command); len(refs) != 1 || strings.Join(refs[0].Path, ".") != "local.upper.0" {
		t.Errorf("references %v", refs)
	}
	if elements, ok := ListElements(command); !ok || len(elements) != 3 {
		t.Errorf("elements %v %t", elements, ok)
	}
	if deps := rb.Sessions[1].DependsOn; len(deps) != 1 || deps[0].Path[1] != "one" {
		t.Errorf("depends_on %v", deps)
	}
}

func TestNoRunbook(t *testing.T) {
	empty := t.TempDir()
	for dir, want := range map[string]string{
		empty:              "No runbook here",
		empty + "/missing": "Cannot read runbook",
		"load.go":          "Not a directory",
	} {
		if _, diags := LoadRunbook(dir); len(diags) != 1 || diags[0].Summary != want {
			t.Errorf("%s: %v, want %s", dir, diags, want)
		}
	}
}

func TestOddFilesAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/zero", dir+"/zero.ssm.hcl"); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(dir+"/.#main.ssm.hcl", []byte("lock file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, diags := LoadRunbook(dir); len(diags) != 1 || diags[0].Summary != "Cannot read file" {
		t.Errorf("%v", diags)
	}
}

// TestOneMistakeInOneFile: a file that cannot be parsed does not make names in
// other files unknown.
func TestSyntaxErrorHidesNoNames(t *testing.T) {
	_, diags := loadSources(map[string]string{
		"a.ssm.hcl": "locals {\n  x = \n}\n",
		"b.ssm.hcl": "output \"o\" {\n  value = local.x\n}\n",
	})
	for _, diag := range diags {
		if diag.Subject.Filename != "a.ssm.hcl" {
			t.Error(diag)
		}
	}
	if !diags.HasErrors() {
		t.Error("no complaint")
	}
}

func TestRequiredVersion(t *testing.T) {
	for _, c := range []struct {
		constraint, version string
		want                bool
	}{
		{"", "0.1.0", true}, {">= 0.1", "0.1.0", true}, {">= 0.1", "0.0.9", false}, {">= 0.1, < 2", "2.0.0", false},
		{"~> 1.2", "1.9.0", true}, {"~> 1.2", "2.0.0", false}, {"~> 1.2.3", "1.2.9", true}, {"~> 1.2.3", "1.3.0", false},
		{"= 1.0", "1.0.0", true}, {"!= 1.0", "1.0.0", false}, {"1.0.1", "1.0.1-dev", true}, {">= 9", "(devel)", true},
	} {
		if got := (Settings{RequiredVersion: c.constraint}).Allows(c.version); got != c.want {
			t.Errorf("%q allows %s: %t", c.constraint, c.version, got)
		}
	}
}
