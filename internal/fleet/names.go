package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// gatherNamed looks exact names up. A name that a Name tag has is taken from
// the tags alone, two calls whatever the size of the account. Only the names
// that no tag has are looked for among the names given at activation and the
// host names of nodes without a Name tag, which takes a listing of everything.
func (s *search) gatherNamed(ctx context.Context) error {
	names := slices.Compact(slices.Sorted(slices.Values(s.Names)))
	byName := map[string][]string{"Name": names}
	tags, err := s.p.inventory.tagsMatching(ctx, byName)
	if err != nil {
		return err
	}
	holders := map[string][]string{} // of a name in a Name tag: node ids
	for id, t := range tags {
		if name, ok := t["Name"]; ok && slices.Contains(names, name) {
			holders[name] = append(holders[name], id)
		}
	}
	s.tags = tags
	if len(holders) > 0 && len(names) <= maxValues {
		if s.candidates, err = s.p.inventory.tagged(ctx, byName); err != nil {
			return err
		}
	}
	unheld := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return len(holders[n]) > 0 })
	if len(unheld) > 0 || len(names) > maxValues {
		if err := s.gatherComputers(ctx); err != nil {
			return err
		}
	}
	s.tellLostNames(names, holders)
	return nil
}

// gatherComputers makes every node a candidate, with its Name tag: what a node
// is called is then decided the same way for all.
func (s *search) gatherComputers(ctx context.Context) error {
	nodes, err := s.p.inventory.all(ctx)
	if err != nil {
		return err
	}
	tags, err := s.p.inventory.tagsMatching(ctx, map[string][]string{"Name": nil})
	if err != nil {
		return err
	}
	s.candidates, s.tags = nodes, tags
	if s.WantTags {
		s.tags, err = s.p.inventory.tagsMatching(ctx, nil)
	}
	return err
}

// tellLostNames reports names that no candidate has.
func (s *search) tellLostNames(names []string, holders map[string][]string) {
	here := map[string]bool{}
	for _, n := range s.candidates {
		here[s.name(n)] = true
	}
	for _, name := range names {
		if here[name] {
			continue
		}
		why := "no managed node has this name"
		if ids := holders[name]; len(ids) > 0 {
			slices.Sort(ids)
			why = fmt.Sprintf("%s has this name and is not registered with Systems Manager: "+
				"stopped, without agent, or without permissions for it", strings.Join(ids, ", "))
		}
		s.missing = append(s.missing, plan.Missing{ID: name, Why: why, Error: true})
	}
}
