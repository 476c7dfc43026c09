package plan

import (
	"sort"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// instance is one of what for_each or count makes of a block; without either a
// block has one instance without a key.
type instance struct {
	key   cty.Value // cty.NilVal without for_each or count
	scope *hclspec.Scope
}

// suffix returns what the key adds to an address: nothing, ["eu"] or [0].
func (i instance) suffix() string {
	switch {
	case i.key == cty.NilVal:
		return ""
	case i.key.Type() == cty.String:
		return bracketed(i.key.AsString())
	}
	return "[" + i.key.AsBigFloat().Text('f', -1) + "]"
}

func bracketed(key string) string { return "[" + strconv.Quote(key) + "]" }

// instances expands for_each and count: keys are sorted, and each instance's
// scope has `each` or `count`. It returns false when they are not known, which
// is a problem unless unknowns are allowed.
func (a attributes) instances(forEach, count hclspec.Expression) ([]instance, bool) {
	switch {
	case forEach != nil && count != nil:
		a.problems.errorf(count.Range(), "Both for_each and count", "A block has either \"for_each\" or \"count\". Remove one of them.")
		return nil, false
	case forEach != nil:
		return a.forEach(forEach)
	case count != nil:
		return a.count(count)
	}
	return []instance{{scope: a.scope}}, true
}

func (a attributes) count(expr hclspec.Expression) ([]instance, bool) {
	before := len(a.problems.list)
	n := a.whole("count", expr, -1, 0)
	if n < 0 {
		if len(a.problems.list) == before && !a.unknownOK {
			a.problems.errorf(expr.Range(), "Count is null", "\"count\" has to be a whole number.")
		}
		return nil, false
	}
	list := make([]instance, n)
	for i := range list {
		index := cty.NumberIntVal(int64(i))
		list[i] = instance{key: index, scope: withName(a.scope, "count", cty.ObjectVal(map[string]cty.Value{"index": index}))}
	}
	return list, true
}

func (a attributes) forEach(expr hclspec.Expression) ([]instance, bool) {
	v, diags := evaluate(expr, a.scope)
	a.problems.extend(diags)
	if diags.HasErrors() {
		return nil, false
	}
	// A sensitive value under a plain key stays sensitive in each.value. The
	// keys become names, so they and the collection itself must be plain.
	if v.IsMarked() || (!isMapping(v.Type()) && isSecret(v)) {
		a.problems.add(sensitiveIn("for_each", expr, a.scope))
		return nil, false
	}
	if !v.IsKnown() || (v.Type().IsSetType() && !v.IsWhollyKnown()) {
		if !a.unknownOK {
			a.problems.add(unknownIn("for_each", expr, a.scope))
		}
		return nil, false
	}
	if v.IsNull() || !(isMapping(v.Type()) || v.Type().IsSetType()) {
		a.problems.errorf(expr.Range(), "Bad for_each", "\"for_each\" has to be an object, a map or a set of strings, and this is %s. A list becomes a set with toset().", shown(v))
		return nil, false
	}
	values := map[string]cty.Value{}
	for key, element := range v.Elements() {
		if key.Type() != cty.String || key.IsNull() {
			a.problems.errorf(expr.Range(), "Bad for_each", "A set in \"for_each\" has to be of strings, without null.")
			return nil, false
		}
		values[key.AsString()] = element
	}
	return a.eachOf(values), true
}

func (a attributes) eachOf(values map[string]cty.Value) []instance {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	list := make([]instance, len(keys))
	for i, key := range keys {
		each := cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": values[key]})
		list[i] = instance{key: cty.StringVal(key), scope: withName(a.scope, "each", each)}
	}
	return list
}

// withName returns a scope that has one more name.
func withName(scope *hclspec.Scope, name string, v cty.Value) *hclspec.Scope {
	child := scope.NewChild()
	child.Variables = map[string]cty.Value{name: v}
	return child
}
