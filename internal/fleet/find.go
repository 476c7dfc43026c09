package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// Find resolves selections to targets, in the order they were given. Selections
// of one provider share listings; independent ones are resolved at the same
// time. An id or a name that was asked for and is not there is no error but a
// Missing of its Found. The error, when there is one, joins what every
// selection met; ctx bounds all of it.
func (f *Fleet) Find(ctx context.Context, selections []plan.Selection) ([]plan.Found, error) {
	found := make([]plan.Found, len(selections))
	errs := make([]error, len(selections))
	f.introduce(ctx, selections)
	var wg sync.WaitGroup
	for i, sel := range selections {
		wg.Go(func() { found[i], errs[i] = f.find(ctx, sel) })
	}
	wg.Wait()
	if err := errors.Join(distinct(errs)...); err != nil {
		return nil, err
	}
	return found, nil
}

// introduce asks who the callers of all selections' providers are, so that
// targets can name their account.
func (f *Fleet) introduce(ctx context.Context, selections []plan.Selection) {
	var wg sync.WaitGroup
	seen := map[string]bool{}
	for _, sel := range selections {
		if p, ok := f.providers[sel.Provider]; ok && !seen[sel.Provider] {
			seen[sel.Provider] = true
			wg.Go(func() { p.whoAmI(ctx) })
		}
	}
	wg.Wait()
}

// distinct drops nils and errors that read the same: one missing permission is
// told once, not once a selection.
func distinct(errs []error) []error {
	seen := map[string]bool{}
	var kept []error
	for _, err := range errs {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			kept = append(kept, err)
		}
	}
	return kept
}

func (f *Fleet) find(ctx context.Context, sel plan.Selection) (plan.Found, error) {
	p, err := f.provider(sel.Provider)
	if err != nil {
		return plan.Found{}, err
	}
	s := search{Selection: sel, p: p}
	if err := s.run(ctx); err != nil {
		return plan.Found{}, fmt.Errorf("%s: provider %s, region %s: find nodes: %w", sel.Address, p.Key, p.Region, ended(ctx, explain(err)))
	}
	slices.SortFunc(s.targets, func(a, b plan.Target) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.missing, func(a, b plan.Missing) int { return cmp.Compare(a.ID, b.ID) })
	return plan.Found{Address: sel.Address, Targets: s.targets, Missing: s.missing}, nil
}

// search resolves one selection: candidates first, by whichever argument is
// cheapest to ask AWS for, then everything else here.
type search struct {
	plan.Selection
	p *provider

	members    map[string]bool // of the resource group
	candidates []node
	tags       map[string]map[string]string // by node id, nil while not looked up
	targets    []plan.Target
	missing    []plan.Missing
}

// lost is why an id that was asked for may not be there. DescribeInstance-
// Information cannot tell these apart: it knows running, registered nodes only.
const lost = "stopped, unknown or not yours"

func (s *search) run(ctx context.Context) error {
	if s.ResourceGroup != "" {
		members, err := s.p.inventory.groupMembers(ctx, s.ResourceGroup)
		if err != nil {
			return err
		}
		s.members = members
	}
	if err := s.gather(ctx); err != nil {
		return err
	}
	if s.tags == nil && (s.WantTags || len(s.Names) > 0) && len(s.candidates) > 0 {
		tags, err := s.p.inventory.tagsOf(ctx, s.candidates)
		if err != nil {
			return err
		}
		s.tags = tags
	}
	asked := map[string]bool{}
	for _, id := range s.IDs {
		asked[id] = true
	}
	who := s.p.known()
	for _, n := range s.candidates {
		if why := s.refuse(n); why != "" {
			if asked[n.id] || worthTelling(why) {
				s.missing = append(s.missing, plan.Missing{ID: n.id, Why: why})
			}
			continue
		}
		s.targets = append(s.targets, s.target(n, who))
	}
	return nil
}

// worthTelling reports whether a node that nobody asked for by id is listed as
// left out. Nodes that simply have another name or other tags are not: in a
// large account that is nearly all of them.
func worthTelling(why string) bool {
	return why != whyTags && why != whyName && why != whyGroup
}

const (
	whyTags     = "its tags do not match"
	whyName     = "its name does not match"
	whyGroup    = "it is not in the resource group"
	whyExcluded = "excluded"
)

// refuse says why a candidate is left out, or "".
func (s *search) refuse(n node) string {
	switch {
	case slices.Contains(s.Exclude, n.id):
		return whyExcluded
	case s.ResourceGroup != "" && !s.members[n.id]:
		return whyGroup
	case len(s.Tags) > 0 && !s.tagsMatch(n):
		return whyTags
	case len(s.Names) > 0 && !globAny(s.Names, s.name(n)):
		return whyName
	case s.Platform != "" && !strings.EqualFold(s.Platform, n.platform):
		return "its platform is " + cmp.Or(n.platform, "not known") + ", not " + s.Platform
	case s.OnlineOnly && !n.online():
		return "offline (" + cmp.Or(n.ping, "no ping status") + "), and online = true"
	}
	return ""
}

// tagsMatch checks what AWS was not asked: when the candidates came by id, or
// a value has a wildcard. Without tags at hand AWS's own filter has decided.
func (s *search) tagsMatch(n node) bool {
	if s.tags == nil {
		return true
	}
	for key, values := range s.Tags {
		value, ok := s.tags[n.id][key]
		if !ok || !globAny(values, value) {
			return false
		}
	}
	return true
}

// name is the Name tag, else the name given at activation, else the host name.
func (s *search) name(n node) string {
	return cmp.Or(s.tags[n.id]["Name"], n.name, n.computer)
}

func (s *search) target(n node, who caller) plan.Target {
	return plan.Target{
		ID:           n.id,
		Name:         s.name(n),
		Platform:     n.platform,
		IP:           n.ip,
		Region:       s.p.Region,
		Account:      who.account,
		Tags:         s.tags[n.id],
		Online:       n.online(),
		PingStatus:   n.ping,
		AgentVersion: n.agent,
		Provider:     s.p.Key,
	}
}

func (n node) online() bool { return n.ping == "Online" }

// gather fills candidates, and tags when they had to be asked for anyway.
func (s *search) gather(ctx context.Context) error {
	switch {
	case len(s.IDs) > 0:
		return s.gatherIDs(ctx, s.IDs, true)
	case len(s.Tags) > 0:
		return s.gatherTagged(ctx)
	case len(s.Names) > 0 && !slices.ContainsFunc(s.Names, wild):
		return s.gatherNamed(ctx)
	case s.ResourceGroup != "":
		return s.gatherIDs(ctx, slices.Collect(maps.Keys(s.members)), false)
	}
	nodes, err := s.p.inventory.all(ctx)
	s.candidates = nodes
	return err
}

// gatherIDs looks ids up: those that the author named, or a resource group's,
// which may well be stopped. Tags, when they are to match too, come from the
// tagging API: filters by id and by tag cannot be combined.
func (s *search) gatherIDs(ctx context.Context, asked []string, named bool) error {
	var ids, containers []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(asked))) {
		if container(id) {
			containers = append(containers, id)
		} else {
			ids = append(ids, id)
		}
	}
	if err := s.gatherContainers(ctx, containers); err != nil {
		return err
	}
	found, err := s.p.inventory.withIDs(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		n, ok := found.nodes[id]
		switch {
		case ok:
			s.candidates = append(s.candidates, n)
		case slices.Contains(s.Exclude, id):
			s.missing = append(s.missing, plan.Missing{ID: id, Why: whyExcluded})
		default:
			why := lost
			if err := found.refused[id]; err != nil {
				why += " (" + err.Error() + ")"
			}
			s.missing = append(s.missing, plan.Missing{ID: id, Why: why, Error: named})
		}
	}
	if len(s.Tags) > 0 && len(s.candidates) > 0 {
		s.tags, err = s.p.inventory.tagsMatching(ctx, s.Tags)
	}
	return err
}

// gatherTagged lists by tags. AWS filters what it can; wildcards, and more
// values than a filter takes, are matched here against the tagging API's tags.
func (s *search) gatherTagged(ctx context.Context) error {
	exact := map[string][]string{}
	var rest []string
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		values := s.Tags[key]
		switch {
		case len(values) == 0:
			return nil // values are alternatives, and there is none
		case len(values) > maxValues || slices.ContainsFunc(values, wild):
			rest = append(rest, key)
		default:
			exact[key] = values
		}
	}
	if len(exact) == 0 {
		exact[rest[0]] = nil // the key alone
	}
	// Pages of one listing come one after the other; two listings need not.
	var group errgroup.Group
	group.Go(func() (err error) {
		s.candidates, err = s.p.inventory.tagged(ctx, exact)
		return err
	})
	if len(rest) > 0 || s.WantTags || len(s.Names) > 0 {
		group.Go(func() (err error) {
			s.tags, err = s.p.inventory.tagsMatching(ctx, s.Tags)
			return err
		})
	}
	return group.Wait()
}
