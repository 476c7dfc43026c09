package plan

import (
	"fmt"
	"strings"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// Target narrows the plan to what -target names: the address of a session block,
// of an instance or a job of one, or a target's id or name. Addresses choose
// sessions, with all that those depend on; ids choose targets; where both are
// given, both must hold. It is called before Plan. Guards still look at all
// that the selectors match.
func (e *Evaluator) Target(wanted []string) { e.wanted = wanted }

// targeting is what a plan is narrowed to. The zero value narrows nothing.
type targeting struct {
	addresses []string
	ids       map[string]bool
	whole     map[string]bool // names of blocks that the chosen ones depend on
	met       map[string]bool // what of the above was found
}

func (b *builder) newTargeting(order []*sessionBlock) targeting {
	t := targeting{ids: map[string]bool{}, whole: map[string]bool{}, met: map[string]bool{}}
	for _, w := range b.wanted {
		if strings.HasPrefix(w, "session.") {
			t.addresses = append(t.addresses, w)
		} else {
			t.ids[w] = true
		}
	}
	byName := map[string]*sessionBlock{}
	for _, block := range order {
		byName[block.decl.Name] = block
	}
	var include func(block *sessionBlock)
	include = func(block *sessionBlock) {
		for _, name := range block.after {
			if other := byName[name]; other != nil && !t.whole[name] {
				t.whole[name] = true
				include(other)
			}
		}
	}
	for _, block := range order {
		own := "session." + block.decl.Name
		for _, address := range t.addresses {
			if address == own || strings.HasPrefix(address, own+"[") {
				include(block)
			}
		}
	}
	return t
}

// narrow returns the nodes of a session instance that the plan is to have.
func (t targeting) narrow(s *Session, nodes []*node) []*node {
	if len(t.addresses) == 0 && len(t.ids) == 0 {
		return nodes
	}
	var kept []*node
	for _, n := range nodes {
		if t.admits(s, n) {
			kept = append(kept, n)
		}
	}
	return kept
}

func (t targeting) admits(s *Session, n *node) bool {
	if len(t.ids) > 0 && !t.ids[n.ID] && !t.ids[n.Name] {
		return false
	}
	t.met[n.ID], t.met[n.Name] = true, true
	if len(t.addresses) == 0 || t.whole[s.block.decl.Name] {
		return true
	}
	for _, address := range t.addresses {
		if address == "session."+s.block.decl.Name || address == s.Address || address == s.Address+bracketed(n.ID) {
			t.met[address] = true
			return true
		}
	}
	return false
}

// check complains of what names nothing in this plan.
func (t targeting) check(b *builder) {
	for _, w := range b.wanted {
		if !t.met[w] {
			b.problems.add(&hclspec.Diagnostic{
				Severity: hclspec.SeverityError,
				Summary:  "Nothing to target",
				Detail: fmt.Sprintf("-target=%s is no session, job or target of this plan. "+
					"Give an address such as session.NAME or session.NAME[\"ID\"], or a target's id or name; \"ssmrun plan\" shows them.", w),
			})
		}
	}
}
