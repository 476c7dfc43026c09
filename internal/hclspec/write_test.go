package hclspec

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

const written = `locals {
	greeting = "hello ${vra.name}, this is a line that is longer than the terminal is wide"
  number   = upper([
    1,
  ])
}

session "s" {
  target = "i-0123456789abcdef0"
  when   = 1 +
}
`

func TestDiagnosticsAreWrittenInBoxes(t *testing.T) {
	rb, diags := loadSources(map[string]string{"main.ssm.hcl": strings.Replace(written, "1 +", "true", 1)})
	general := &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Without a place",
		Detail: "A paragraph that is long enough to be wrapped at the width that was asked for.\n\n  and an indented line that is left as it is, however long it may be"}
	elsewhere := complaint(hcl.Range{Filename: "other.hcl", Start: hcl.Pos{Line: 7, Column: 1}}, "No source", "Its lines are not there.")
	var out strings.Builder
	WriteDiagnostics(&out, append(diags, general, elsewhere), rb.Files, 60, false)
	golden(t, "plain.txt", out.String())
	out.Reset()
	WriteDiagnostics(&out, append(diags, general, elsewhere), rb.Files, 0, true)
	golden(t, "color.txt", out.String())
}

func TestValuesOfNamesAreWrittenUnlessSensitive(t *testing.T) {
	src := "var.plain + var.secret + var.obj.secret + var.list + var.none + var.object"
	expr := mustExpression(t, src)
	diag := complaint(expr.Range(), "Invalid operand", "A number is required.")
	diag.Expression = expr
	diag.EvalContext = &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
		"plain":  cty.StringVal("pl\x1b[31main " + strings.Repeat("x", 80)),
		"secret": cty.StringVal(secret).Mark(MarkSensitive),
		"obj":    cty.ObjectVal(map[string]cty.Value{"secret": cty.StringVal(secret)}).Mark(MarkSensitive),
		"list":   cty.ListVal([]cty.Value{cty.StringVal(secret).Mark(MarkSensitive)}),
		"none":   cty.NullVal(cty.String),
		"object": cty.ObjectVal(map[string]cty.Value{"a": cty.True, "b": cty.True}),
	})}}
	var out strings.Builder
	WriteDiagnostics(&out, Diagnostics{diag}, map[string]*File{"test": {Name: "test", Bytes: []byte(src)}}, 100, false)
	golden(t, "values.txt", out.String())
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), "\x1b") {
		t.Error("a secret or an escape sequence is written")
	}
}

func mustExpression(t *testing.T, src string) Expression {
	t.Helper()
	rb, diags := loadSources(map[string]string{"x.ssm.hcl": "locals {\n x = " + src + "\n}"})
	_ = diags
	for _, local := range rb.Locals {
		rng := local.Expr.Range()
		return shifted{local.Expr, hcl.Range{Filename: "test", Start: hcl.InitialPos,
			End: hcl.Pos{Line: 1, Column: rng.End.Column - rng.Start.Column + 1, Byte: rng.End.Byte - rng.Start.Byte}}}
	}
	t.Fatal("no expression")
	return nil
}

// shifted is an expression at another place.
type shifted struct {
	Expression
	rng hcl.Range
}

func (s shifted) Range() hcl.Range { return s.rng }

// TestLongLinesAreCutAroundTheRange: a minified file does not fill the screen.
func TestLongLinesAreCutAroundTheRange(t *testing.T) {
	line := strings.Repeat("a", 5_000) + "HERE" + strings.Repeat("b", 5_000)
	diag := complaint(span("f", hcl.Pos{Line: 1, Column: 5_001, Byte: 5_000}, 4), "S", "D")
	for _, width := range []int{0, 20, 80} {
		var out strings.Builder
		WriteDiagnostics(&out, Diagnostics{diag}, map[string]*File{"f": {Bytes: []byte(line)}}, width, false)
		lines := strings.Split(out.String(), "\n")
		for i, got := range lines {
			if n := len([]rune(got)); n > max(width, 40) && width > 0 || n > 420 {
				t.Errorf("width %d: line %d has %d characters", width, i, n)
			}
		}
		shown, carets := []rune(lines[4]), []rune(lines[5])
		at := len(carets) - 4
		if string(carets[at:]) != "^^^^" || string(shown[at:at+4]) != "HERE" {
			t.Errorf("width %d:\n%s", width, out.String())
		}
	}
}

func TestDamagedRangesAreNotWritten(t *testing.T) {
	for _, rng := range []hcl.Range{
		{Filename: "f", Start: hcl.Pos{Line: 9, Byte: 900}, End: hcl.Pos{Line: 9, Byte: 901}},
		{Filename: "f", Start: hcl.Pos{Line: 1, Byte: 2}, End: hcl.Pos{Line: 1, Byte: 1}},
		{Filename: "f", Start: hcl.Pos{Line: 1, Byte: 3}, End: hcl.Pos{Line: 1, Byte: 3}},
	} {
		var out strings.Builder
		WriteDiagnostics(&out, Diagnostics{complaint(rng, "S", "D"), nil}, map[string]*File{"f": {Bytes: []byte("abc")}}, 0, false)
		if !strings.Contains(out.String(), "on f line") {
			t.Errorf("%v:\n%s", rng, out.String())
		}
	}
}
