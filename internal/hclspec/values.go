package hclspec

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// VarFlag is one -var or -var-file of the command line.
type VarFlag struct {
	File bool   // -var-file: Text is a path
	Text string // else `name=value`
}

// environmentPrefix begins the environment variables that set variables.
const environmentPrefix = "SSMRUN_VAR_"

// LoadValues returns a value for every variable of rb. Later sources win, as
// in Terraform: defaults, SSMRUN_VAR_name in environ, ssmrun.ssmvars.hcl and
// *.auto.ssmvars.hcl of dir in name order, flags in their order. A value has
// its variable's type, and is marked when the variable is sensitive or
// ephemeral. A variable that no source sets gives a diagnostic and an unknown
// value, so that what does not depend on it can still be checked.
func LoadValues(rb *Runbook, dir string, flags []VarFlag, environ []string) (map[string]cty.Value, Diagnostics) {
	s := newSettings(rb)
	s.collect(dir, flags, environ)
	values := make(map[string]cty.Value, len(rb.Variables))
	for _, v := range rb.Variables {
		values[v.Name] = s.value(v)
	}
	if !s.diags.HasErrors() {
		s.diags = append(s.diags, validate(rb, values)...)
	}
	return values, tidy(s.diags)
}

// MissingVariables returns the variables of rb that have no default and that
// none of LoadValues' sources sets, in source order: what a command may ask the
// operator for. An answer is one more VarFlag.
func MissingVariables(rb *Runbook, dir string, flags []VarFlag, environ []string) []*Variable {
	s := newSettings(rb)
	s.collect(dir, flags, environ)
	var missing []*Variable
	for _, v := range rb.Variables {
		if _, given := s.given[v.Name]; !given && v.Default == cty.NilVal {
			missing = append(missing, v)
		}
	}
	return missing
}

// setting is the value that one source gives a variable.
type setting struct {
	value cty.Value
	from  string     // for messages: `-var`, a file and line
	at    *hcl.Range // nil when it is not from a file
	src   *File
}

// settings collects what the sources say; a later one replaces an earlier one.
type settings struct {
	variables map[string]*Variable
	given     map[string]setting
	diags     hcl.Diagnostics
}

func newSettings(rb *Runbook) *settings {
	s := &settings{variables: map[string]*Variable{}, given: map[string]setting{}}
	for _, v := range rb.Variables {
		s.variables[v.Name] = v
	}
	return s
}

func (s *settings) complain(summary, detail string, args ...any) {
	diag := complaint(hcl.Range{}, summary, detail, args...)
	diag.Subject = nil
	s.diags = append(s.diags, diag)
}

func (s *settings) collect(dir string, flags []VarFlag, environ []string) {
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if name, ok := strings.CutPrefix(name, environmentPrefix); ok && s.variables[name] != nil {
			s.text(name, text, "the environment variable "+environmentPrefix+name)
		}
	}
	names, err := listFiles(dir, ".ssmvars.hcl", ".ssmvars.json")
	if err != nil && dir != "" {
		s.complain("Cannot read values", "The directory %s cannot be read: %s.", dir, reason(err))
	}
	for _, base := range []string{"ssmrun.ssmvars.hcl", "ssmrun.ssmvars.json"} {
		if slices.Contains(names, base) {
			s.file(dir, base, base)
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".auto.ssmvars.hcl") || strings.HasSuffix(name, ".auto.ssmvars.json") {
			s.file(dir, name, name)
		}
	}
	for _, flag := range flags {
		if flag.File {
			s.file(filepath.Dir(flag.Text), filepath.Base(flag.Text), flag.Text)
		} else {
			s.flag(flag.Text)
		}
	}
}

// flag takes the text of a -var.
func (s *settings) flag(text string) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		s.complain("Invalid -var", "A -var has the form name=value.")
		return
	}
	if s.variables[name] == nil {
		s.complain("No such variable", "There is no variable %q, which -var sets.%s", name, s.suggest(name))
		return
	}
	s.text(name, value, "-var")
}

func (s *settings) suggest(name string) string {
	known := keysOf(s.variables)
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	if len(known) == 0 {
		return " The runbook has none."
	}
	return " The runbook has: " + list(known) + "."
}

// text takes a value that is text: as it is for a variable of a primitive type
// or without one, else as an expression without names.
func (s *settings) text(name, text, from string) {
	if s.variables[name].literal {
		s.given[name] = setting{value: cty.StringVal(text), from: from}
		return
	}
	filename := "value of var." + name
	diags := prescanExpression(filename, []byte(text))
	if len(text) > maxFileSize {
		diags = hcl.Diagnostics{complaint(wholeFile(filename), "Value too large", "It is larger than %d MiB.", maxFileSize>>20)}
	}
	var value cty.Value
	if !diags.HasErrors() {
		var expr hclsyntax.Expression
		if expr, diags = hclsyntax.ParseExpression([]byte(text), filename, hcl.InitialPos); !diags.HasErrors() {
			value, diags = expr.Value(nil)
		}
	}
	if diags.HasErrors() {
		why := diags[0].Detail
		if s.secret(name) {
			why = ""
		}
		s.complain("Invalid value for variable",
			"The value of var.%s, from %s, has to be an expression such as [\"a\", \"b\"]: the type of the variable is %s. %s",
			name, from, s.variables[name].Type.FriendlyNameForConstraint(), why)
		value = cty.UnknownVal(cty.DynamicPseudoType)
	}
	s.given[name] = setting{value: value, from: from}
}

func (s *settings) secret(name string) bool {
	v := s.variables[name]
	return v != nil && (v.Sensitive || v.Ephemeral)
}

// file takes the attributes of a file of values. shown is its name in messages.
// Its lines are not shown with complaints about its syntax: they may hold
// secrets.
func (s *settings) file(dir, name, shown string) {
	src, err := readFile(filepath.Join(dir, name))
	if err != nil {
		s.complain("Cannot read values", "The file %s cannot be read: %s.", shown, reason(err))
		return
	}
	file, diags := parseSource(shown, src)
	s.diags = append(s.diags, diags...)
	if file.body == nil {
		return
	}
	attrs, diags := file.body.JustAttributes()
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			diag.Detail = "A file of values has lines of the form name = value, and no blocks. " + diag.Detail
		}
	}
	s.diags = append(s.diags, diags...)
	for _, attr := range inOrder(attrs) {
		if s.variables[attr.Name] == nil {
			s.diags = append(s.diags, warning(attr.NameRange, "No such variable",
				"There is no variable %q, so this value is not used.%s", attr.Name, s.suggest(attr.Name)))
			continue
		}
		value, diags := attr.Expr.Value(nil)
		if diags.HasErrors() {
			s.diags = append(s.diags, complaint(attr.Expr.Range(), "Not a literal",
				"A value has to be written out: it cannot refer to names or call functions."))
			value = cty.UnknownVal(cty.DynamicPseudoType)
		}
		s.given[attr.Name] = setting{value: value, from: place(attr.NameRange), at: attr.Expr.Range().Ptr(), src: file}
	}
}

// value returns the value of a variable, converted and marked.
func (s *settings) value(v *Variable) cty.Value {
	given, ok := s.given[v.Name]
	switch {
	case ok && !given.value.IsNull(), ok && v.Nullable:
	case ok && v.Default == cty.NilVal:
		s.refuse(v, given, "it is null, and the variable is not nullable")
		return v.mark(cty.UnknownVal(v.Type))
	case v.Default != cty.NilVal:
		return v.mark(v.Default)
	default:
		s.diags = append(s.diags, complaint(v.Range, "No value for required variable",
			"The variable %q has no default and nothing sets it. Set it with -var '%s=…', in a file for -var-file or ssmrun.ssmvars.hcl, or as %s%s in the environment.",
			v.Name, v.Name, environmentPrefix, v.Name))
		return v.mark(cty.UnknownVal(v.Type))
	}
	value := given.value
	if v.Defaults != nil && !value.IsNull() && value.IsKnown() {
		value = v.Defaults.Apply(value)
	}
	converted, err := convert.Convert(value, v.Type)
	if err == nil {
		err = checkValue(converted)
	}
	if err != nil {
		s.refuse(v, given, conversionError(err))
		return v.mark(cty.UnknownVal(v.Type))
	}
	return v.mark(converted)
}

func (v *Variable) mark(value cty.Value) cty.Value {
	if v.Sensitive || v.Ephemeral {
		value = value.Mark(MarkSensitive)
	}
	if v.Ephemeral {
		value = value.Mark(MarkEphemeral)
	}
	return value
}

// refuse complains about a value where it stands, and shows the line unless the
// variable is sensitive.
func (s *settings) refuse(v *Variable, given setting, why string) {
	diag := complaint(v.Range, "Invalid value for variable",
		"The value of var.%s, from %s, does not fit its type, %s: %s.",
		v.Name, given.from, v.Type.FriendlyNameForConstraint(), why)
	if given.at != nil && !s.secret(v.Name) {
		diag.Subject = given.at
		diag.Extra = source{given.src}
	}
	s.diags = append(s.diags, diag)
}
