package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// builder makes one plan.
type builder struct {
	*Evaluator
	problems *problems
	plan     *Plan
	chosen   []selection
	only     targeting
	nodes    map[string][]*node // by id
	// downloads has who writes a file of this machine, by its path.
	downloads map[string]string
}

// node is a target as one selection found it.
type node struct {
	Target
	selection string // its address
	value     cty.Value
}

// Plan makes the plan: found answers every Selection, docs every DocumentRef.
// The diagnostics are all mistakes found, warnings included; with errors among
// them the plan is nil.
func (e *Evaluator) Plan(found []Found, docs map[DocumentRef]Document) (*Plan, hclspec.Diagnostics) {
	b := &builder{
		Evaluator: e,
		problems:  &problems{},
		nodes:     map[string][]*node{},
		downloads: map[string]string{},
		plan: &Plan{
			Dir: e.rb.Dir, Providers: e.providers, Found: found, Documents: docs, eval: e,
			byName: map[string]*sessionBlock{}, byAddress: map[string]*Session{}, scripts: map[string][]byte{},
		},
	}
	b.chosen = e.selections(b.problems)
	b.admitFound(found)
	b.bindTargets()
	order := b.orderedBlocks()
	b.only = b.newTargeting(order)
	for _, block := range order {
		b.planBlock(block)
		b.rehearse(block)
	}
	b.only.check(b)
	b.rehearseConclusion()
	b.plan.Files = e.files.Digests()
	if b.problems.hasErrors() {
		return nil, b.problems.list
	}
	b.files.Freeze()
	b.plan.Warnings = b.problems.warnings()
	return b.plan, b.problems.list
}

// admitFound checks what was found against what was asked for, and guards.
func (b *builder) admitFound(found []Found) {
	byAddress := make(map[string]*Found, len(found))
	for i := range found {
		byAddress[found[i].Address] = &found[i]
	}
	for _, s := range b.chosen {
		f := byAddress[s.Address]
		if f == nil {
			f = &Found{Address: s.Address}
		}
		if !b.notFound(s, f) {
			b.guard(s, f)
		}
		for _, t := range f.Targets {
			if t.Provider == "" {
				t.Provider = s.Provider
			}
			b.nodes[t.ID] = append(b.nodes[t.ID], &node{Target: t, selection: s.Address, value: targetValue(t)})
		}
	}
}

// notFound complains about ids that the author named and that are not there.
func (b *builder) notFound(s selection, f *Found) bool {
	any := false
	for _, missing := range f.Missing {
		if missing.Error {
			any = true
			b.problems.errorf(s.Range, "Target not found", "%s: %s is not there: %s. Correct the id, or take it out.", s.Address, missing.ID, missing.Why)
		}
	}
	return any
}

// guard compares how many targets there are with what the author allows.
func (b *builder) guard(s selection, f *Found) {
	n := len(f.Targets)
	switch {
	case n < s.min && n == 0:
		b.problems.errorf(s.guarded, "No targets", "%s matches no target%s. Correct the selector, or allow it with guard { min = 0 }.", s.Address, leftOut(f))
	case n < s.min:
		b.problems.errorf(s.guarded, "Too few targets", "%s matches %d targets, and its guard wants at least %d%s.", s.Address, n, s.min, leftOut(f))
	case n > s.max:
		b.problems.errorf(s.guarded, "Too many targets", "%s matches %d targets, and its guard allows %d. Narrow the selector, or raise \"max\".", s.Address, n, s.max)
	}
}

// leftOut says why nodes are not among the targets, when that is known.
func leftOut(f *Found) string {
	if len(f.Missing) == 0 {
		return ""
	}
	first := f.Missing[0]
	if len(f.Missing) == 1 {
		return " (left out: " + first.ID + ", " + first.Why + ")"
	}
	return " (left out: " + first.ID + ", " + first.Why + ", and others)"
}

var targetType = cty.Object(map[string]cty.Type{
	"id": cty.String, "name": cty.String, "platform": cty.String, "ip": cty.String,
	"region": cty.String, "account": cty.String, "tags": cty.Map(cty.String),
})

// targetValue is what expressions see of a target.
func targetValue(t Target) cty.Value {
	tags := cty.MapValEmpty(cty.String)
	if len(t.Tags) > 0 {
		values := make(map[string]cty.Value, len(t.Tags))
		for key, value := range t.Tags {
			values[key] = cty.StringVal(value)
		}
		tags = cty.MapVal(values)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(t.ID), "name": cty.StringVal(t.Name), "platform": cty.StringVal(t.Platform),
		"ip": cty.StringVal(t.IP), "region": cty.StringVal(t.Region), "account": cty.StringVal(t.Account), "tags": tags,
	})
}

// bindTargets makes the scope of everything that comes after selectors: the
// name `targets`, and the locals that refer to it.
func (b *builder) bindTargets() {
	members := make(map[string]map[string]cty.Value, len(b.chosen)) // by selection, then by id
	for _, nodes := range b.nodes {
		for _, n := range nodes {
			if members[n.selection] == nil {
				members[n.selection] = map[string]cty.Value{}
			}
			members[n.selection][n.ID] = n.value
		}
	}
	byBlock := map[string][]selection{}
	for _, s := range b.chosen {
		byBlock[s.block] = append(byBlock[s.block], s)
	}
	all := make(map[string]cty.Value, len(b.selectors))
	for name, decl := range b.selectors {
		all[name] = targetsValue(decl, byBlock["targets."+name], members)
	}
	scope := b.before.NewChild()
	scope.Variables = map[string]cty.Value{"targets": cty.ObjectVal(all)}
	known := map[string]cty.Value{}
	first := b.before.Variables["local"]
	maps.Copy(known, first.AsValueMap())
	scope.Variables["local"] = b.locals.evaluate(scope, known, b.problems)
	b.plan.scope = scope
}

// targetsValue is what `targets.NAME` is: targets by id, under the instance
// key when the block has for_each or count.
func targetsValue(decl *hclspec.Selector, instances []selection, members map[string]map[string]cty.Value) cty.Value {
	object := func(s selection) cty.Value {
		if len(members[s.Address]) == 0 {
			return cty.MapValEmpty(targetType)
		}
		return cty.MapVal(members[s.Address])
	}
	switch {
	case decl.ForEach != nil:
		byKey := make(map[string]cty.Value, len(instances))
		for _, s := range instances {
			byKey[s.key.AsString()] = object(s)
		}
		return cty.ObjectVal(byKey)
	case decl.Count != nil:
		list := make([]cty.Value, len(instances))
		for i, s := range instances {
			list[i] = object(s)
		}
		return cty.TupleVal(list)
	case len(instances) == 1:
		return object(instances[0])
	}
	return cty.DynamicVal // its instances are in error
}

// sessionTargets resolves a session's target: a targets object, an id, a
// target, or any nesting of lists of them. They come back ordered by id.
func (b *builder) sessionTargets(decl *hclspec.Session, a attributes, addresses []string) []*node {
	if decl.Target == nil {
		b.problems.errorf(decl.Range, "Session without a target", "Say where session %q runs, such as target = targets.NAME.", decl.Name)
		return nil
	}
	v, ok := a.value("target", decl.Target, cty.DynamicPseudoType)
	if !ok {
		return nil
	}
	for _, ref := range hclspec.References(decl.Target) {
		if ref.Path[0] == "targets" && len(ref.Path) > 1 {
			addresses = append(addresses, "targets."+ref.Path[1])
		}
	}
	r := resolution{builder: b, at: decl.Target.Range(), prefer: addresses, seen: map[string]bool{}}
	r.add(v, 0)
	slices.SortFunc(r.nodes, func(x, y *node) int { return strings.Compare(x.ID, y.ID) })
	return r.nodes
}

// resolution turns a target value into nodes.
type resolution struct {
	*builder
	at     hclspec.Range
	prefer []string // selections of which a node found by several is taken
	nodes  []*node
	seen   map[string]bool
}

func (r *resolution) add(v cty.Value, depth int) {
	t := v.Type()
	switch {
	case v.IsNull() || depth > 4:
		r.wrong(v)
	case t == cty.String:
		r.id(v.AsString())
	case t.IsObjectType() && t.HasAttribute("id") && t.AttributeType("id") == cty.String:
		if id := v.GetAttr("id"); !id.IsNull() {
			r.id(id.AsString())
		}
	case isMapping(t) || isSequence(t):
		for _, element := range v.Elements() {
			r.add(element, depth+1)
		}
	default:
		r.wrong(v)
	}
}

func (r *resolution) wrong(v cty.Value) {
	r.problems.errorf(r.at, "Value of the wrong type", "\"target\" has to be a targets object, an id, or a list of them, and this has %s in it.", shown(v))
}

func (r *resolution) id(id string) {
	candidates := r.builder.nodes[id]
	if len(candidates) == 0 {
		if !r.problems.hasErrors() { // a missing id has its own complaint
			r.problems.errorf(r.at, "Target not found", "%s was not looked for. Write the id itself in \"target\", or choose it in a targets block.", shown(cty.StringVal(id)))
		}
		return
	}
	if r.seen[id] {
		r.problems.errorf(r.at, "Target named twice", "%s is in this session's target more than once. Each node runs a session's steps once: take one of them out.", id)
		return
	}
	r.seen[id] = true
	r.nodes = append(r.nodes, r.best(candidates))
}

// best takes the node of the selections that the session refers to.
func (r *resolution) best(candidates []*node) *node {
	if len(candidates) == 1 {
		return candidates[0]
	}
	for _, address := range r.prefer {
		for _, n := range candidates {
			if n.selection == address || strings.HasPrefix(n.selection, address+"[") {
				return n
			}
		}
	}
	return candidates[0]
}
