package hclspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// decoder turns bodies into the structs of a runbook and collects what is
// wrong on the way. It decodes shape only: names are checked when all files are
// read.
type decoder struct {
	diags hcl.Diagnostics
}

func (d *decoder) complain(rng hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, complaint(rng, summary, detail, args...))
}

// form is the schema of a block: attributes, and nested blocks. A name with a
// star is required. Names under later are known and refused: they come in a
// later version.
type form struct {
	attributes string
	blocks     string
	later      string // attributes and blocks
}

// schema builds hcl's form of f. Later names are declared both ways, so that
// either spelling is found; declared names of the same kind win.
func (f form) schema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range strings.Fields(f.attributes) {
		bare, required := strings.CutSuffix(name, "*")
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: bare, Required: required})
	}
	for _, name := range strings.Fields(f.blocks) {
		s.Blocks = append(s.Blocks, blockSchema(name))
	}
	for _, name := range strings.Fields(f.later) {
		if attr, ok := strings.CutPrefix(name, "="); ok {
			s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: attr})
			continue
		}
		s.Blocks = append(s.Blocks, blockSchema(name))
	}
	return s
}

// blockSchema reads `step:name`: a block type and its labels.
func blockSchema(name string) hcl.BlockHeaderSchema {
	parts := strings.Split(name, ":")
	return hcl.BlockHeaderSchema{Type: parts[0], LabelNames: parts[1:]}
}

// body is the decoded content of one block.
type body struct {
	d      *decoder
	what   string // such as `a session`
	attrs  hcl.Attributes
	blocks hcl.Blocks
	rng    hcl.Range // of the block's header
}

func (d *decoder) body(b hcl.Body, what string, rng hcl.Range, f form) *body {
	content, diags := b.Content(f.schema())
	d.diags = append(d.diags, diags...)
	out := &body{d: d, what: what, attrs: content.Attributes, blocks: content.Blocks, rng: rng}
	for _, name := range strings.Fields(f.later) {
		name, isAttr := strings.CutPrefix(name, "=")
		name, _, _ = strings.Cut(name, ":")
		if attr := content.Attributes[name]; isAttr && attr != nil {
			d.later(attr.NameRange, name)
			delete(out.attrs, name)
		}
		out.blocks = slices.DeleteFunc(out.blocks, func(block *hcl.Block) bool {
			if isAttr || block.Type != name {
				return false
			}
			d.later(block.DefRange, name)
			return true
		})
	}
	return out
}

func (d *decoder) later(rng hcl.Range, name string) {
	d.complain(rng, "Not supported in this version",
		"%q comes in a later version of ssmrun. Remove it, or use a version that has it.", name)
}

// expr returns an attribute's expression, bounded, or nil when it is absent.
func (b *body) expr(name string) Expression {
	attr := b.attrs[name]
	if attr == nil {
		return nil
	}
	return b.d.expression(attr.Expr)
}

func (d *decoder) expression(expr hcl.Expression) Expression {
	syntax, diags := nativeSyntax(expr)
	d.diags = append(d.diags, diags...)
	return bound(syntax)
}

// all returns the nested blocks of one type.
func (b *body) all(blockType string) hcl.Blocks {
	return b.blocks.OfType(blockType)
}

// one returns the nested block of one type, or nil, and complains about a
// second.
func (b *body) one(blockType string) *hcl.Block {
	blocks := b.all(blockType)
	if len(blocks) == 0 {
		return nil
	}
	for _, extra := range blocks[1:] {
		b.d.complain(extra.DefRange, "Duplicate "+blockType+" block",
			"%s has at most one %s block, and the first is at %s. Merge them.",
			upperFirst(b.what), blockType, place(blocks[0].DefRange))
	}
	return blocks[0]
}

// text, flag and number decode attributes that have to be literals. The second
// result is false when the attribute is absent, null or wrong.
func (b *body) text(name string) (string, bool) {
	v, ok := b.literal(name, cty.String)
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

func (b *body) flag(name string, fallback bool) bool {
	v, ok := b.literal(name, cty.Bool)
	if !ok {
		return fallback
	}
	return v.True()
}

func (b *body) literal(name string, ty cty.Type) (cty.Value, bool) {
	attr := b.attrs[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		b.d.complain(attr.Expr.Range(), "Not a literal",
			"%q has to be written out here: it cannot refer to names or call functions.", name)
		return cty.NilVal, false
	}
	v, err := convert.Convert(v, ty)
	if err != nil || !v.IsWhollyKnown() {
		b.d.complain(attr.Expr.Range(), "Wrong type", "%q has to be %s.", name, typePhrase(ty))
		return cty.NilVal, false
	}
	if v.IsNull() {
		return cty.NilVal, false
	}
	return v, true
}

func typePhrase(ty cty.Type) string {
	name := ty.FriendlyNameForConstraint()
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

// name returns a block's first label after checking that it is a name.
func (d *decoder) name(block *hcl.Block) string {
	name := block.Labels[0]
	if !validName.MatchString(name) {
		d.complain(block.LabelRanges[0], "Invalid name",
			"%q is no name: a name begins with a letter or an underscore, goes on with letters, digits, underscores and dashes, and has at most 100 characters.", name)
	}
	return name
}

// names finds two blocks of one name.
type names map[string]hcl.Range

func (d *decoder) declare(seen names, what, name string, rng hcl.Range) {
	if first, ok := seen[name]; ok {
		d.complain(rng, "Duplicate "+what,
			"There is already a %s %q at %s. Rename one of them.", what, name, place(first))
		return
	}
	seen[name] = rng
}

// exclusive complains, at the later one, when both of two attributes are there.
func (b *body) exclusive(first, second, why string) {
	x, y := b.attrs[first], b.attrs[second]
	if x == nil || y == nil {
		return
	}
	if x.Range.Start.Byte > y.Range.Start.Byte {
		y = x
	}
	b.d.complain(y.NameRange, "Conflicting arguments", "%q and %q cannot be used together: %s", first, second, why)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// quoted joins words for a sentence: "a", "b" or "c".
func quoted(words []string, conjunction string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " " + conjunction + " " + out[len(out)-1]
}
