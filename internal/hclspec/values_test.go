package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLaterSourcesWin(t *testing.T) {
	const declaration = "variable \"x\" {\n  type    = string\n  default = \"default\"\n}\n"
	steps := []struct {
		name, content string // of a file, or
		environ       string
		flag          VarFlag
		want          string
	}{
		{want: "default"},
		{environ: "SSMRUN_VAR_x=environment", want: "environment"},
		{name: "ssmrun.ssmvars.hcl", content: `x = "base"`, want: "base"},
		{name: "a.auto.ssmvars.hcl", content: `x = "a"`, want: "a"},
		{name: "b.auto.ssmvars.hcl", content: `x = "b"`, want: "b"},
		{flag: VarFlag{Text: "x=flag=1"}, want: "flag=1"},
		{name: "given.hcl", content: `x = "file"`, flag: VarFlag{File: true, Text: "given.hcl"}, want: "file"},
		{flag: VarFlag{Text: "x=last"}, want: "last"},
	}
	dir := writeFiles(t, map[string]string{"main.ssm.hcl": declaration})
	rb := load(t, dir)
	var environ []string
	var flags []VarFlag
	for _, step := range steps {
		if step.name != "" {
			if err := os.WriteFile(filepath.Join(dir, step.name), []byte(step.content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if step.environ != "" {
			environ = append(environ, step.environ)
		}
		if flag := step.flag; flag.Text != "" {
			if flag.File {
				flag.Text = filepath.Join(dir, flag.Text)
			}
			flags = append(flags, flag)
		}
		values, diags := LoadValues(rb, dir, flags, environ)
		if len(diags) > 0 || !values["x"].RawEquals(cty.StringVal(step.want)) {
			t.Errorf("got %#v, want %q; %v", values["x"], step.want, diags)
		}
	}
}

const typedVariables = `
variable "text" {}
variable "any" { type = any }
variable "number" { type = number }
variable "list" { type = list(string) }
variable "object" {
  type = object({
    name = string
    size = optional(number, 3)
    tags = optional(map(string))
  })
}
variable "firm" {
  type     = string
  default  = "d"
  nullable = false
}
`

func TestValuesGetTheirTypes(t *testing.T) {
	rb, diags := loadSources(map[string]string{"main.ssm.hcl": typedVariables})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	dir := writeFiles(t, map[string]string{"v.json": `{"firm": null, "number": 7}`})
	values, diags := LoadValues(rb, dir, []VarFlag{
		{Text: `text=["not", "parsed"]`},
		{Text: `any=["x"]`},
		{Text: `list=["a", 1]`},
		{Text: `object={name = "n"}`},
		{File: true, Text: filepath.Join(dir, "v.json")},
	}, []string{"SSMRUN_VAR_number=1.5", "SSMRUN_VAR_unknown=1"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for name, want := range map[string]string{
		"text":   `"[\"not\", \"parsed\"]"`,
		"any":    `["x"]`,
		"number": `7`,
		"list":   `["a","1"]`,
		"object": `{"name":"n","size":3,"tags":null}`,
		"firm":   `"d"`,
	} {
		if name == "any" {
			continue // its JSON form has the type, too
		}
		if got := result(values[name], nil); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if !values["any"].RawEquals(cty.TupleVal([]cty.Value{cty.StringVal("x")})) {
		t.Errorf("any is %#v", values["any"])
	}
}

func TestValueMistakes(t *testing.T) {
	rb, diags := loadSources(map[string]string{"main.ssm.hcl": typedVariables})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	dir := writeFiles(t, map[string]string{
		"ssmrun.ssmvars.hcl": "txet = 1\nlist = [upper(\"x\")]\n",
		"broken.hcl":         "text = \n",
	})
	_, diags = LoadValues(rb, dir, []VarFlag{
		{Text: "numbr=1"},
		{Text: "nothing"},
		{Text: "number=many"},
		{Text: "object={name = "},
		{File: true, Text: filepath.Join(dir, "broken.hcl")},
		{File: true, Text: filepath.Join(dir, "missing.hcl")},
	}, nil)
	var got []string
	for _, diag := range diags {
		got = append(got, diag.Summary+": "+diag.Detail)
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{
		`No such variable: There is no variable "numbr", which -var sets. Did you mean "number"?`,
		"Invalid -var: A -var has the form name=value.",
		"Invalid value for variable: The value of var.number, from -var, does not fit its type, number: a number is required",
		"Invalid value for variable: The value of var.object, from -var, has to be an expression",
		`No such variable: There is no variable "txet", so this value is not used. Did you mean "text"?`,
		"Not a literal: A value has to be written out",
		"Cannot read values: The file " + filepath.Join(dir, "missing.hcl") + " cannot be read: no such file or directory.",
		"Invalid expression",
		`No value for required variable: The variable "any" has no default and nothing sets it. Set it with -var 'any=…'`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no complaint %q in\n%s", want, text)
		}
	}
	if len(diags) != 9 {
		t.Errorf("%d complaints:\n%s", len(diags), text)
	}
}

func TestMissingVariables(t *testing.T) {
	rb, _ := loadSources(map[string]string{"main.ssm.hcl": typedVariables})
	var names []string
	for _, v := range MissingVariables(rb, "", []VarFlag{{Text: "text=x"}}, []string{"SSMRUN_VAR_list=[]"}) {
		names = append(names, v.Name)
	}
	if got := strings.Join(names, " "); got != "any number object" {
		t.Errorf("missing: %s", got)
	}
}

const checkedVariables = `
locals {
  most    = local.factor * 10
  factor  = 1
  unused  = keys(targets.t)
}
targets "t" { names = ["*"] }
variable "size" {
  type = number
  validation {
    condition     = var.size <= local.most
    error_message = "At most ${local.most}, and not ${var.size}."
  }
}
variable "password" {
  type      = string
  sensitive = true
  validation {
    condition     = length(var.password) > 8
    error_message = "The password ${var.password} is too short."
  }
}
variable "token" {
  type      = string
  ephemeral = true
}
`

func TestValidation(t *testing.T) {
	rb, diags := loadSources(map[string]string{"main.ssm.hcl": checkedVariables})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	set := func(size, password string) Diagnostics {
		_, diags := LoadValues(rb, "", []VarFlag{{Text: "size=" + size}, {Text: "password=" + password}, {Text: "token=t0ken"}}, nil)
		return diags
	}
	if diags := set("10", "long enough"); len(diags) > 0 {
		t.Error(diags)
	}
	diags = set("11", "hunter2")
	if len(diags) != 2 {
		t.Fatal(diags)
	}
	if got := diags[0].Detail; !strings.HasPrefix(got, "At most 10, and not 11.") || !strings.Contains(got, "main.ssm.hcl:10") {
		t.Errorf("detail %q", got)
	}
	var out strings.Builder
	WriteDiagnostics(&out, diags, rb.Files, 80, false)
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "var.size is 11") {
		t.Errorf("written:\n%s", out.String())
	}
}

func TestSecretValuesAreMarkedAndNotShown(t *testing.T) {
	rb, _ := loadSources(map[string]string{"main.ssm.hcl": checkedVariables + "variable \"pin\" {\n  type = number\n  sensitive = true\n}\n"})
	dir := writeFiles(t, map[string]string{"ssmrun.ssmvars.hcl": "pin = \"hunter2\"\nsize = 1\npassword = \"a long secret\"\ntoken = \"t0ken\"\n"})
	values, diags := LoadValues(rb, dir, nil, nil)
	if !IsSensitive(values["password"]) || IsEphemeral(values["password"]) || !IsEphemeral(values["token"]) ||
		!IsSensitive(values["token"]) || IsSensitive(values["size"]) {
		t.Errorf("marks: %#v", values)
	}
	var out strings.Builder
	WriteDiagnostics(&out, diags, rb.Files, 0, false)
	if len(diags) != 1 || strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "ssmrun.ssmvars.hcl:1") {
		t.Errorf("written:\n%s", out.String())
	}
}
