package plan

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// impliedAbove is the number of targets above which a session without a
// rollout block goes out with a canary and a budget.
const impliedAbove = 10

// rollout plans how n jobs go out.
func (b *builder) rollout(s *Session, a attributes, n int) Rollout {
	decl := s.block.decl.Rollout
	if decl == nil {
		return defaultRollout(n)
	}
	return Rollout{
		Waves:        a.waves(decl.Waves, n),
		MaxParallel:  a.whole("max_parallel", decl.MaxParallel, 0, 1),
		MaxFailures:  a.budget(decl.MaxFailures, n),
		Pause:        a.duration("pause", decl.Pause, 0),
		ApproveWaves: a.boolean("approve_waves", decl.ApproveWaves, false),
		OnHalt:       a.oneOf("on_halt", decl.OnHalt, "finish_step", "finish_job", "cancel"),
	}
}

func defaultRollout(n int) Rollout {
	if n <= impliedAbove {
		return Rollout{Waves: oneWave(n), MaxFailures: -1, OnHalt: "finish_step", Implied: true}
	}
	return Rollout{Waves: []int{1, n}, MaxParallel: 50, MaxFailures: n / 10, OnHalt: "finish_step", Implied: true}
}

func oneWave(n int) []int {
	if n == 0 {
		return nil
	}
	return []int{n}
}

// waves reads how many of n jobs have started with each wave. Entries are
// cumulative; a wave that would add no job is dropped, and what is left after
// the last entry is one more wave.
func (a attributes) waves(expr hclspec.Expression, n int) []int {
	v, ok := a.value("waves", expr, cty.DynamicPseudoType)
	if !ok {
		return oneWave(n)
	}
	if !isSequence(v.Type()) || v.LengthInt() == 0 {
		a.problems.errorf(expr.Range(), "Bad waves", "\"waves\" has to be a list of numbers and percentages, such as [1, \"10%%\", \"100%%\"].")
		return oneWave(n)
	}
	var waves []int
	var before share
	started := 0
	for _, element := range v.Elements() {
		entry, err := parseShare(element)
		if err != nil || entry.isNothing() {
			a.problems.errorf(expr.Range(), "Bad waves", "Entries of \"waves\" are numbers from 1 and percentages up to \"100%%\"; %s is not.", shown(element))
			return oneWave(n)
		}
		if entry.lessThan(before) {
			a.problems.errorf(expr.Range(), "Bad waves", "Entries of \"waves\" count from the start of the rollout, so none may be less than the one before it.")
			return oneWave(n)
		}
		before = entry
		if count := entry.roundedUp(n); count > started {
			waves = append(waves, count)
			started = count
		}
	}
	if started < n {
		waves = append(waves, n)
	}
	return waves
}

func (s share) isNothing() bool {
	return s.percent == nil && s.number == 0 || s.percent != nil && s.percent.Sign() == 0
}

// lessThan compares shares of one unit; a number and a percentage cannot be
// compared before the number of targets is known.
func (s share) lessThan(other share) bool {
	if s.percent == nil || other.percent == nil {
		return s.percent == nil && other.percent == nil && s.number < other.number
	}
	return s.percent.Cmp(other.percent) < 0
}

// budget reads max_failures: 0 unless said, percentages rounded down.
func (a attributes) budget(expr hclspec.Expression, n int) int {
	v, ok := a.value("max_failures", expr, cty.DynamicPseudoType)
	if !ok {
		return 0
	}
	entry, err := parseShare(v)
	if err != nil {
		a.problems.errorf(expr.Range(), "Bad max_failures", "\"max_failures\" is a number of jobs or a percentage of them: %s.", err)
		return 0
	}
	return entry.roundedDown(n)
}

// rolloutOrder returns nodes, which are ordered by id, as `order` wants them:
// "id", "name", or a list of ids or targets that go first.
func (b *builder) rolloutOrder(s *Session, a attributes, nodes []*node) []*node {
	if s.block.decl.Rollout == nil || s.block.decl.Rollout.Order == nil {
		return nodes
	}
	expr := s.block.decl.Rollout.Order
	v, ok := a.value("order", expr, cty.DynamicPseudoType)
	if !ok {
		return nodes
	}
	if v.Type() == cty.String {
		switch v.AsString() {
		case "id":
			return nodes
		case "name":
			byName := slices.Clone(nodes)
			slices.SortStableFunc(byName, func(x, y *node) int { return strings.Compare(x.Name, y.Name) })
			return byName
		}
	}
	first := orderedIDs(v)
	if first == nil {
		a.problems.errorf(expr.Range(), "Bad order", "\"order\" is \"id\", \"name\", or a list of the ids that go first.")
		return nodes
	}
	place := make(map[string]int, len(first))
	for i, id := range first {
		if _, twice := place[id]; !twice {
			place[id] = i - len(first)
		}
	}
	ordered := slices.Clone(nodes)
	slices.SortStableFunc(ordered, func(x, y *node) int { return place[x.ID] - place[y.ID] })
	return ordered
}

func orderedIDs(v cty.Value) []string {
	if v.Type().IsPrimitiveType() || v.IsNull() {
		return nil
	}
	if isMapping(v.Type()) {
		ids := []string{}
		for key := range v.Elements() {
			ids = append(ids, key.AsString())
		}
		return ids
	}
	ids := []string{}
	for _, element := range v.Elements() {
		if element.Type().IsObjectType() && element.Type().HasAttribute("id") {
			element = element.GetAttr("id")
		}
		id, ok := textOf(element)
		if !ok {
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}
