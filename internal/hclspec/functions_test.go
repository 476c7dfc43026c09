package hclspec

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"
)

// evaluateText evaluates an expression with the functions and nothing else.
func evaluateText(text string, files *Snapshot, variables map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	if diags := prescanExpression("test", []byte(text)); diags.HasErrors() {
		return cty.NilVal, diags
	}
	syntax, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	return bound(syntax).Value(&Scope{
		Variables: variables,
		Functions: Functions(FunctionOptions{Files: files}),
	})
}

func result(v cty.Value, diags hcl.Diagnostics) string {
	if diags.HasErrors() {
		return "error: " + strings.Join(strings.Fields(diags[0].Summary+"; "+diags[0].Detail), " ")
	}
	plain, _ := v.UnmarkDeep()
	text, err := json.Marshal(plain, plain.Type())
	if err != nil {
		return "error: " + err.Error()
	}
	return string(text)
}

// TestFunctionsAsTerraform compares with what `terraform console` 1.11 answered
// for the same expressions. Each line of the file is an expression, a tab and
// the answer, as jsonencode writes it or "error" and words of the message.
func TestFunctionsAsTerraform(t *testing.T) {
	f, err := os.Open("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := NewSnapshot("testdata")
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		expr, want, ok := strings.Cut(lines.Text(), "\t")
		if !ok || strings.HasPrefix(expr, "#") {
			continue
		}
		n++
		v, diags := evaluateText("jsonencode("+expr+")", files, nil)
		got := ""
		if diags.HasErrors() {
			_, diags = evaluateText(expr, files, nil)
			got = result(cty.NilVal, diags)
		} else {
			plain, _ := v.Unmark()
			got = plain.AsString()
		}
		if message, isError := strings.CutPrefix(want, "error: "); isError {
			if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, message) {
				t.Errorf("%s\n got %s\nwant %s", expr, got, want)
			}
		} else if got != want {
			t.Errorf("%s\n got %s\nwant %s", expr, got, want)
		}
	}
	if n < 300 {
		t.Errorf("only %d expressions in the file", n)
	}
}

// TestFunctionsTakeUnknowns: before there are values, no call of a function is
// a mistake because of that.
func TestFunctionsTakeUnknowns(t *testing.T) {
	for _, files := range []*Snapshot{nil, NewSnapshot("testdata/files")} {
		table := functionTable(functionSource{files: files})
		for name, fn := range table {
			switch strings.TrimPrefix(name, "core::") {
			case "timestamp", "plantimestamp", "uuid", "bcrypt":
				continue
			}
			for _, unknown := range []cty.Value{cty.DynamicVal, cty.DynamicVal.Mark(MarkSensitive)} {
				scope := &Scope{Functions: table, Variables: map[string]cty.Value{"local": cty.ObjectVal(map[string]cty.Value{"x": unknown})}}
				args := make([]string, len(fn.Params()))
				if fn.VarParam() != nil {
					args = append(args, "")
				}
				for i := range args {
					args[i] = "local.x"
				}
				expr := name + "(" + strings.Join(args, ", ") + ")"
				syntax, diags := hclsyntax.ParseExpression([]byte(expr), "test", hcl.InitialPos)
				if !diags.HasErrors() {
					_, diags = bound(syntax).Value(scope)
				}
				if diags.HasErrors() {
					t.Errorf("%s: %v", expr, diags)
				}
			}
		}
	}
}
