package hclspec

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

const secret = "hunter2secret"

func secrets() map[string]cty.Value {
	text := cty.StringVal(secret).Mark(MarkSensitive)
	return map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
		"s":    text,
		"list": cty.ListVal([]cty.Value{cty.StringVal(secret)}).Mark(MarkSensitive),
		"deep": cty.ObjectVal(map[string]cty.Value{"a": text}),
		"obj":  cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal(secret)}).Mark(MarkSensitive),
		"e":    cty.StringVal(secret).Mark(MarkSensitive).Mark(MarkEphemeral),
	})}
}

// TestMarksSurvive: whatever is derived from a sensitive value is sensitive,
// the answers of try and can included.
func TestMarksSurvive(t *testing.T) {
	files := NewSnapshot("testdata/files")
	for _, expr := range []string{
		`var.s`, `"x${var.s}"`, `upper(var.s)`, `[var.s]`, `{a = var.s}`, `length(var.s)`, `length(var.list)`,
		`var.s == "x"`, `var.s == "x" ? 1 : 2`, `can(regex("^h", var.s))`, `can(regex("^x", var.s))`,
		`can(var.obj.a)`, `can(var.obj.b)`, `try(regex("^x", var.s), "no")`, `try(var.obj.b, "none")`, `try(var.s, "x")`,
		`join(",", var.list)`, `[for x in var.list : x]`, `{for x in var.list : "k" => x}`, `jsonencode(var.deep)`,
		`yamlencode(var.deep)`, `keys(var.obj)`, `values(var.deep)`, `merge(var.deep, {b = 1})`, `lookup(var.deep, "a", "x")`,
		`lookup(var.obj, "a", "x")`, `lookup({a = 1}, var.s, 2)`, `coalesce(var.s, "x")`, `contains(["x"], var.s)`,
		`distinct(var.list)`, `toset(var.list)`, `tostring(var.s)`, `sort(var.list)`, `format("%s", var.s)`,
		`formatlist("%s", var.list)`, `replace(var.s, "h", "j")`, `replace("h", "h", var.s)`, `sha256(var.s)`, `base64encode(var.s)`,
		`urlencode(var.s)`, `shellquote(var.s)`, `shellquote(var.list)`, `powershellquote(var.s)`, `startswith(var.s, "h")`,
		`one(var.list)`, `element(var.list, 0)`, `slice(var.list, 0, 1)`, `concat(var.list, ["x"])`, `flatten([var.list])`,
		`zipmap(["a"], var.list)`, `transpose({a = var.list})`, `matchkeys(["a"], ["b"], var.list)`, `index(var.list, "hunter2secret")`,
		`alltrue([var.s == "x"])`, `uuidv5("dns", var.s)`, `nonsensitive(var.e)`, `templatefile("t.tpl", {name = var.s, xs = []})`,
		`templatestring(var.s, {})`, `fileexists(var.s)`, `issensitive(var.s) ? var.s : ""`, `regexall("h", var.s)`, `split("u", var.s)`,
		`textencodebase64(var.s, "UTF-8")`, `base64gzip(var.s)`, `setproduct(var.list, ["a"])`, `chunklist(var.list, 1)`,
		`reverse(var.list)`, `setunion(var.list, ["a"])`, `compact(var.list)`, `substr(var.s, 0, 1)`, `title(var.s)`, `sum([length(var.s)])`,
		`max(length(var.s), 1)`, `var.list[*]`, `var.obj.a`, `var.obj["a"]`, `ephemeralasnull(var.s)`, `core::upper(var.s)`,
	} {
		v, diags := evaluateText(expr, files, secrets())
		if diags.HasErrors() {
			t.Errorf("%s: %v", expr, diags)
		} else if !IsSensitive(v) {
			t.Errorf("%s is not sensitive: %#v", expr, v)
		}
	}
	for _, expr := range []string{`nonsensitive(var.s)`, `issensitive(var.s)`, `ephemeralasnull(var.e)`, `can(1 + 1)`, `try({}.a, "x")`} {
		if v, diags := evaluateText(expr, files, secrets()); diags.HasErrors() || IsSensitive(v) {
			t.Errorf("%s is sensitive: %#v %v", expr, v, diags)
		}
	}
}

// TestErrorsDoNotTell: a call that fails on a sensitive value says so without
// the value.
func TestErrorsDoNotTell(t *testing.T) {
	files := NewSnapshot("testdata/files")
	for _, expr := range []string{
		`tonumber(var.s)`, `tobool(var.s)`, `parseint(var.s, 10)`, `jsondecode(var.s)`, `base64decode(var.s)`, `file(var.s)`,
		`templatefile(var.s, {})`, `formatdate(var.s, "2020-01-01T00:00:00Z")`, `timeadd(var.s, "1h")`, `cidrhost(var.s, 1)`,
		`lookup({}, var.s)`, `uuidv5(var.s, "x")`, `regex(var.s, "x")`, `format(var.s, 1)`, `var.s + 1`, `fileexists("${var.s}\u0000")`,
		`{a = 1}[var.s]`, `tomap({a = "x"})[var.s]`, `yamldecode("{${var.s}")`, `csvdecode("a\n\"${var.s}")`, `textencodebase64("x", var.s)`,
		`{for x in ["a", "b"] : var.s => x}`, `timecmp(var.s, var.s)`, `rsadecrypt(var.s, var.s)`, `indent(var.s, "x")`,
		`sum([var.s])`, `one(concat(var.list, var.list))`, `-var.s`, `!var.s`, `var.s ? 1 : 2`, `[1, 2][var.s]`, `var.s.x`, `var.obj.x`,
	} {
		_, diags := evaluateText(expr, files, secrets())
		if !diags.HasErrors() {
			t.Errorf("%s does not fail", expr)
		}
		var out strings.Builder
		WriteDiagnostics(&out, diags, nil, 0, false)
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s tells:\n%s", expr, out.String())
		}
	}
}

func TestQuoteFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		`shellquote("it's")`:           `'it'\''s'`,
		`shellquote(["a b", "c"])`:     `'a b' c`,
		`shellquote(5)`:                `5`,
		`powershellquote("it's")`:      `'it''s'`,
		`shellquote("\u0000")`:         "",
		`shellquote([null])`:           "",
		`shellquote({a = 1})`:          "",
		`timestamp()`:                  "",
		`bcrypt("x")`:                  "",
		`templatestring("${"x"}", {})`: "",
	} {
		v, diags := evaluateText(expr, nil, nil)
		switch {
		case want == "" && !diags.HasErrors():
			t.Errorf("%s is %#v and should fail", expr, v)
		case want != "" && (diags.HasErrors() || v.AsString() != want):
			t.Errorf("%s is %#v, want %s; %v", expr, v, want, diags)
		}
	}
	for _, name := range []string{"timestamp", "plantimestamp"} {
		if _, diags := evaluateText(name+"()", nil, nil); !strings.Contains(diags.Error(), "run.started_at") {
			t.Error(diags)
		}
	}
	if _, diags := evaluateText("uuid()", nil, nil); !strings.Contains(diags.Error(), "run.id") {
		t.Error(diags)
	}
}
