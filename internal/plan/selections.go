package plan

import (
	"math"
	"regexp"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// selection is a Selection with what the plan needs of its block.
type selection struct {
	Selection
	block    string    // targets.web, session.x
	key      cty.Value // of for_each or count
	min, max int       // of the guard
	guarded  hclspec.Range
}

// Selections returns what has to be found before Plan, in source order: one
// for each instance of a targets block, then one for each session that names
// literal ids.
func (e *Evaluator) Selections() ([]Selection, hclspec.Diagnostics) {
	var found problems
	list := e.selections(&found)
	out := make([]Selection, len(list))
	for i, s := range list {
		out[i] = s.Selection
	}
	return out, found.list
}

func (e *Evaluator) selections(found *problems) []selection {
	var list []selection
	for _, decl := range e.rb.Selectors {
		list = append(list, e.selectorInstances(decl, found)...)
	}
	for _, decl := range e.rb.Sessions {
		list = append(list, e.literalSelections(decl, found)...)
	}
	return list
}

func (e *Evaluator) selectorInstances(decl *hclspec.Selector, found *problems) []selection {
	a := attributes{scope: e.before, problems: found}
	instances, _ := a.instances(decl.ForEach, decl.Count)
	list := make([]selection, 0, len(instances))
	for _, instance := range instances {
		s := e.selector(decl, attributes{scope: instance.scope, problems: found})
		s.block = "targets." + decl.Name
		s.key = instance.key
		s.Address = s.block + instance.suffix()
		list = append(list, s)
	}
	return list
}

func (e *Evaluator) selector(decl *hclspec.Selector, a attributes) selection {
	s := selection{Selection: Selection{
		IDs:           a.texts("ids", decl.IDs),
		Names:         a.texts("names", decl.Names),
		Tags:          a.textLists("tags", decl.Tags),
		Platform:      a.platform(decl.Platform),
		ResourceGroup: a.text("resource_group", decl.ResourceGroup, ""),
		Exclude:       a.texts("exclude", decl.Exclude),
		OnlineOnly:    a.boolean("online", decl.Online, false),
		WantTags:      e.wantsTags(),
		Range:         decl.Range,
	}, min: 1, max: math.MaxInt, guarded: decl.Range}
	s.Provider, _ = e.providerKey(decl.Provider, a)
	for name, expr := range map[string]hclspec.Expression{"ids": decl.IDs, "exclude": decl.Exclude} {
		if expr != nil {
			e.checkIDs(expr, a, name)
		}
	}
	if guard := decl.Guard; guard != nil {
		s.guarded = guard.Range
		s.min = a.whole("min", guard.Min, 1, 0)
		s.max = a.whole("max", guard.Max, math.MaxInt, 0)
		if s.max < s.min {
			a.problems.errorf(guard.Range, "Guard without room", "\"min\" is %d and \"max\" is %d: no number of targets fits.", s.min, s.max)
		}
	}
	return s
}

// platform reads a platform's name in the spelling of AWS.
func (a attributes) platform(expr hclspec.Expression) string {
	text := a.text("platform", expr, "")
	for _, name := range []string{"", "Linux", "Windows", "MacOS"} {
		if strings.EqualFold(text, name) {
			return name
		}
	}
	a.problems.errorf(expr.Range(), "Unknown word", "\"platform\" is %q, and has to be one of \"Linux\", \"Windows\", \"MacOS\".", clipText(text, 60))
	return ""
}

func (e *Evaluator) checkIDs(expr hclspec.Expression, a attributes, name string) {
	quiet := attributes{scope: a.scope, problems: &problems{}}
	for _, id := range quiet.texts(name, expr) {
		checkID(id, expr.Range(), a.problems)
	}
}

// checkID refuses what StartSession would: a Target has 1 to 400 characters,
// and ids of nodes and tasks have no blanks.
func checkID(id string, at hclspec.Range, found *problems) bool {
	if id != "" && len(id) <= 400 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f || r > '~' || r == '"' || r == '\'' }) {
		return true
	}
	found.errorf(at, "Not a target id", "%q is no id of a node. An id is like i-0123456789abcdef0 or mi-0123456789abcdef0; choose by name or tag in a targets block.", clipText(id, 60))
	return false
}

// literalSelections returns the selections of the ids that a session's target
// names. What refers to targets is found by their own selections.
func (e *Evaluator) literalSelections(decl *hclspec.Session, found *problems) []selection {
	if decl.Target == nil {
		return nil
	}
	block := "session." + decl.Name
	instances := []instance{{scope: e.before}}
	if refersTo(decl.Target, "each", "count") || (decl.Provider != nil && refersTo(decl.Provider.Key, "each", "count")) {
		a := attributes{scope: e.before, problems: found, unknownOK: true}
		instances, _ = a.instances(decl.ForEach, decl.Count)
	}
	var list []selection
	for _, instance := range instances {
		a := attributes{scope: instance.scope, problems: found}
		ids := literalIDs(decl.Target, a)
		if len(ids) == 0 {
			continue
		}
		s := selection{Selection: Selection{
			Address: block + instance.suffix(), IDs: ids, WantTags: e.wantsTags(), Range: decl.Target.Range(),
		}, block: block, key: instance.key, max: math.MaxInt}
		s.Provider, _ = e.providerKey(decl.Provider, a)
		list = append(list, s)
	}
	return list
}

// literalIDs returns the ids in a target expression that are known before any
// target is found.
func literalIDs(expr hclspec.Expression, a attributes) []string {
	elements, ok := hclspec.ListElements(expr)
	if !ok {
		elements = []hclspec.Expression{expr}
	}
	var ids []string
	for _, element := range elements {
		v, diags := evaluate(element, a.scope)
		a.problems.extend(diags)
		if isSecret(v) {
			a.problems.add(sensitiveIn("target", element, a.scope))
			continue
		}
		texts, ok := textsOf(v)
		if !ok || diags.HasErrors() {
			continue // a targets object, or a mistake that Plan reports
		}
		for _, id := range texts {
			if checkID(id, element.Range(), a.problems) {
				ids = append(ids, id)
			}
		}
	}
	sort.Strings(ids)
	return ids
}

// refersTo reports whether an expression refers to one of the root names.
func refersTo(expr hclspec.Expression, roots ...string) bool {
	for _, ref := range hclspec.References(expr) {
		for _, root := range roots {
			if ref.Path[0] == root {
				return true
			}
		}
	}
	return false
}

// wantsTags reports whether the runbook may look at a target's tags or name:
// to fetch them costs calls of an API that not everybody is allowed.
func (e *Evaluator) wantsTags() bool {
	if e.tagsWanted == nil {
		wanted := false
		eachExpression(e.rb, func(expr hclspec.Expression) { wanted = wanted || e.mayReadTags(expr) })
		e.tagsWanted = &wanted
	}
	return *e.tagsWanted
}

// What an expression has in it that goes over targets, or over jobs, when it
// reads their tags and names. The name that a `for` binds is no reference, so
// the words decide.
var (
	readsOfTargets = regexp.MustCompile(`\b(name|tags|jsonencode|yamlencode)\b`)
	readsOfJobs    = regexp.MustCompile(`\b(target|jsonencode|yamlencode)\b`)
)

func (e *Evaluator) mayReadTags(expr hclspec.Expression) bool {
	for _, ref := range hclspec.References(expr) {
		source := e.source(expr.Range())
		whole := source == "" || source == e.source(ref.Range)
		switch ref.Path[0] {
		case "target":
			if len(ref.Path) == 1 || ref.Path[1] == "tags" || ref.Path[1] == "name" {
				return true
			}
		case "targets":
			if whole || readsOfTargets.MatchString(source) {
				return true
			}
		case "session":
			if (whole && len(ref.Path) <= 3) || readsOfJobs.MatchString(source) {
				return true
			}
		}
	}
	return false
}
