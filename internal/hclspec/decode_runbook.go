package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

var rootForm = form{
	blocks: "ssmrun provider:name variable:name locals targets:name session:name check:name output:name",
	later:  "module:name",
}

// seen has the names of a runbook's blocks, of all its files.
type seen struct {
	providers, variables, locals, selectors, sessions, checks, outputs names
	settings                                                           *hcl.Range
}

func newSeen() *seen {
	return &seen{names{}, names{}, names{}, names{}, names{}, names{}, names{}, nil}
}

// file adds the blocks of one file to rb.
func (d *decoder) file(rb *Runbook, file *File, seen *seen) {
	top := d.body(file.body, "a runbook file", wholeFile(file.Name), rootForm)
	for _, block := range top.blocks {
		switch block.Type {
		case "ssmrun":
			if seen.settings != nil {
				d.complain(block.DefRange, "Duplicate ssmrun block",
					"A runbook has at most one ssmrun block, and there is one at %s. Merge them.", place(*seen.settings))
				continue
			}
			seen.settings = &block.DefRange
			rb.Settings = d.settings(block)
		case "provider":
			rb.Providers = append(rb.Providers, d.provider(block, seen.providers))
		case "variable":
			v := d.variable(block)
			d.declare(seen.variables, "variable", v.Name, v.Range)
			rb.Variables = append(rb.Variables, v)
		case "locals":
			rb.Locals = append(rb.Locals, d.locals(block, seen.locals)...)
		case "targets":
			s := d.selector(block)
			d.declare(seen.selectors, "targets block", s.Name, s.Range)
			rb.Selectors = append(rb.Selectors, s)
		case "session":
			s := d.session(block)
			d.declare(seen.sessions, "session", s.Name, s.Range)
			rb.Sessions = append(rb.Sessions, s)
		case "check":
			c := d.check(block)
			d.declare(seen.checks, "check", c.Name, c.Range)
			rb.Checks = append(rb.Checks, c)
		case "output":
			o := d.output(block)
			d.declare(seen.outputs, "output", o.Name, o.Range)
			rb.Outputs = append(rb.Outputs, o)
		}
	}
}

func (d *decoder) settings(block *hcl.Block) Settings {
	b := d.body(block.Body, "the ssmrun block", block.DefRange, form{attributes: "required_version"})
	s := Settings{Range: block.DefRange}
	if text, ok := b.text("required_version"); ok {
		s.RequiredVersion = text
		if _, err := parseConstraint(text); err != nil {
			d.complain(b.attrs["required_version"].Expr.Range(), "Invalid version constraint",
				"%s. Write comparisons such as \">= 0.1, < 2.0\".", upperFirst(err.Error()))
		}
	}
	return s
}

func (d *decoder) provider(block *hcl.Block, seen names) *Provider {
	b := d.body(block.Body, "a provider", block.DefRange, form{
		attributes: "alias for_each region profile start_rate sign_data_channel require_encryption kms_key_id",
		blocks:     "assume_role",
		later:      "=endpoint_url",
	})
	p := &Provider{
		Name:              block.Labels[0],
		ForEach:           b.expr("for_each"),
		Region:            b.expr("region"),
		Profile:           b.expr("profile"),
		StartRate:         b.expr("start_rate"),
		SignDataChannel:   b.expr("sign_data_channel"),
		RequireEncryption: b.expr("require_encryption"),
		KMSKeyID:          b.expr("kms_key_id"),
		Range:             block.DefRange,
	}
	if p.Name != "aws" {
		d.complain(block.LabelRanges[0], "No such provider", "The one provider is \"aws\".")
	}
	if alias, ok := b.text("alias"); ok {
		p.Alias = alias
		if !validName.MatchString(alias) {
			d.complain(b.attrs["alias"].Expr.Range(), "Invalid name", "%q is no name for a provider.", alias)
		}
	}
	if p.ForEach != nil && p.Alias == "" {
		d.complain(b.attrs["for_each"].NameRange, "Provider without alias",
			"A provider with for_each needs an alias, so that sessions can name its instances: aws.ALIAS[each.key].")
	}
	address := p.Name
	if p.Alias != "" {
		address += "." + p.Alias
	}
	d.declare(seen, "provider", address, block.DefRange)
	b.choice("sign_data_channel", "auto", "on", "off")
	if role := b.one("assume_role"); role != nil {
		rb := d.body(role.Body, "an assume_role block", role.DefRange, form{
			attributes: "role_arn* session_name external_id duration",
		})
		rb.duration("duration")
		p.AssumeRole = &AssumeRole{
			RoleARN:     rb.expr("role_arn"),
			SessionName: rb.expr("session_name"),
			ExternalID:  rb.expr("external_id"),
			Duration:    rb.expr("duration"),
			Range:       role.DefRange,
		}
	}
	return p
}

// reservedVariables are the arguments of a module block, in Terraform and here.
var reservedVariables = map[string]bool{
	"source": true, "version": true, "providers": true, "count": true, "for_each": true, "depends_on": true,
}

func (d *decoder) variable(block *hcl.Block) *Variable {
	b := d.body(block.Body, "a variable", block.DefRange, form{
		attributes: "type default description sensitive ephemeral nullable",
		blocks:     "validation",
	})
	v := &Variable{
		Name:      d.name(block),
		Type:      cty.DynamicPseudoType,
		Sensitive: b.flag("sensitive", false),
		Ephemeral: b.flag("ephemeral", false),
		Nullable:  b.flag("nullable", true),
		Range:     block.DefRange,
		literal:   true,
	}
	if reservedVariables[v.Name] {
		d.complain(block.LabelRanges[0], "Invalid name",
			"A variable cannot be named %q: that is an argument of module blocks.", v.Name)
	}
	v.Description, _ = b.text("description")
	if attr := b.attrs["type"]; attr != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		d.diags = append(d.diags, diags...)
		v.Type, v.Defaults = ty, defaults
		v.literal = ty.IsPrimitiveType()
	}
	if attr := b.attrs["default"]; attr != nil {
		v.Default = d.defaultValue(v, attr)
	}
	for _, block := range b.all("validation") {
		v.Validations = append(v.Validations, d.assertion(block, "a validation block"))
	}
	return v
}

// defaultValue returns a variable's default in its type, or NilVal after a
// complaint.
func (d *decoder) defaultValue(v *Variable, attr *hcl.Attribute) cty.Value {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		d.complain(attr.Expr.Range(), "Not a literal",
			"A default has to be written out: it cannot refer to names or call functions. Use locals for a computed value.")
		return cty.DynamicVal
	}
	if value.IsNull() && !v.Nullable {
		d.complain(attr.Expr.Range(), "Invalid default value",
			"The variable is not nullable, so its default cannot be null. Remove the default to make it required.")
		return cty.DynamicVal
	}
	if v.Defaults != nil && !value.IsNull() {
		value = v.Defaults.Apply(value)
	}
	converted, err := convert.Convert(value, v.Type)
	if err != nil {
		d.complain(attr.Expr.Range(), "Invalid default value",
			"The default does not fit the variable's type: %s. Change one of them.", conversionError(err))
		return cty.DynamicVal
	}
	return converted
}

// assertion decodes a block that has a condition and an error_message.
func (d *decoder) assertion(block *hcl.Block, what string) *Assertion {
	b := d.body(block.Body, what, block.DefRange, form{attributes: "condition* error_message*"})
	return &Assertion{
		Condition:    b.expr("condition"),
		ErrorMessage: b.expr("error_message"),
		Range:        block.DefRange,
	}
}

func (d *decoder) locals(block *hcl.Block, seen names) []*Local {
	attrs, diags := block.Body.JustAttributes()
	d.diags = append(d.diags, diags...)
	locals := make([]*Local, 0, len(attrs))
	for _, attr := range inOrder(attrs) {
		if !hclsyntax.ValidIdentifier(attr.Name) {
			d.complain(attr.NameRange, "Invalid name", "%q is no name for a local value.", attr.Name)
		}
		d.declare(seen, "local value", attr.Name, attr.NameRange)
		locals = append(locals, &Local{Name: attr.Name, Expr: d.expression(attr.Expr), Range: attr.NameRange})
	}
	return locals
}

func (d *decoder) check(block *hcl.Block) *Check {
	b := d.body(block.Body, "a check", block.DefRange, form{blocks: "assert"})
	c := &Check{Name: d.name(block), Range: block.DefRange}
	for _, assert := range b.all("assert") {
		c.Asserts = append(c.Asserts, d.assertion(assert, "an assert block"))
	}
	if len(c.Asserts) == 0 {
		d.complain(block.DefRange, "Check without assert", "A check needs at least one assert block.")
	}
	return c
}

func (d *decoder) output(block *hcl.Block) *Output {
	b := d.body(block.Body, "an output", block.DefRange, form{attributes: "value* description sensitive"})
	o := &Output{
		Name:      d.name(block),
		Value:     b.expr("value"),
		Sensitive: b.flag("sensitive", false),
		Range:     block.DefRange,
	}
	o.Description, _ = b.text("description")
	return o
}
