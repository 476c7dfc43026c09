package hclspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// selecting are the arguments that choose nodes; the others leave some out.
var selecting = []string{"ids", "names", "tags", "platform", "resource_group"}

func (d *decoder) selector(block *hcl.Block) *Selector {
	before := len(d.diags)
	b := d.body(block.Body, "a targets block", block.DefRange, form{
		attributes: "for_each count provider ids names tags platform resource_group exclude online",
		blocks:     "guard",
		later:      "ecs dynamic:name",
	})
	known := len(d.diags) == before
	s := &Selector{
		Name:          d.name(block),
		ForEach:       b.expr("for_each"),
		Count:         b.expr("count"),
		Provider:      b.provider(),
		IDs:           b.expr("ids"),
		Names:         b.expr("names"),
		Tags:          b.expr("tags"),
		Platform:      b.expr("platform"),
		ResourceGroup: b.expr("resource_group"),
		Exclude:       b.expr("exclude"),
		Online:        b.expr("online"),
		Range:         block.DefRange,
	}
	b.exclusive("for_each", "count", "choose one.")
	if known && !slices.ContainsFunc(selecting, func(name string) bool { return b.attrs[name] != nil }) {
		d.complain(block.DefRange, "Selector that selects everything",
			"A targets block needs at least one of ids, names, tags, platform and resource_group. To take every node, write names = [\"*\"].")
	}
	if guard := b.one("guard"); guard != nil {
		gb := d.body(guard.Body, "a guard block", guard.DefRange, form{attributes: "min max"})
		s.Guard = &Guard{Min: gb.expr("min"), Max: gb.expr("max"), Range: guard.DefRange}
	}
	return s
}

// provider decodes `aws`, `aws.alias` and `aws.alias[key]`.
func (b *body) provider() *ProviderRef {
	attr := b.attrs["provider"]
	if attr == nil {
		return nil
	}
	ref := &ProviderRef{Range: attr.Expr.Range()}
	wrong := func() *ProviderRef {
		b.d.complain(attr.Expr.Range(), "Invalid provider reference",
			"A provider is named without quotes: aws, aws.ALIAS, or aws.ALIAS[KEY] where the provider block has for_each.")
		return nil
	}
	expr := attr.Expr
	if source, key, ok := indexed(expr); ok {
		expr, ref.Key = source, b.d.expression(key)
	}
	traversal, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || len(traversal) > 3 {
		return wrong()
	}
	ref.Name = traversal.RootName()
	for i, part := range traversal[1:] {
		switch part := part.(type) {
		case hcl.TraverseAttr:
			if i != 0 {
				return wrong()
			}
			ref.Alias = part.Name
		case hcl.TraverseIndex:
			if i != 1 || ref.Key != nil {
				return wrong()
			}
			ref.Key = literalKey(part)
		default:
			return wrong()
		}
	}
	if ref.Key != nil && ref.Alias == "" {
		return wrong()
	}
	return ref
}
