package plan

import (
	"slices"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// sessionBlock is a session block with what it refers to and what became of
// it.
type sessionBlock struct {
	decl      *hclspec.Session
	reads     []string // names of the session blocks its expressions refer to, sorted
	after     []string // those and depends_on, sorted: all that must have ended first
	instances []*Session
}

// orderedBlocks returns the session blocks so that each comes after those it
// depends on, in source order otherwise. A cycle is a problem, and its members
// follow in source order.
func (b *builder) orderedBlocks() []*sessionBlock {
	var order []*sessionBlock
	state := map[string]int{} // 1: on the path, 2: done
	var path []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = 1
		path = append(path, name)
		block := b.newBlock(b.sessions[name])
		for _, other := range block.after {
			switch state[other] {
			case 0:
				visit(other)
			case 1:
				b.problems.errorf(block.decl.Range, "Reference cycle",
					"These sessions wait for each other: %s. Take one reference or depends_on out.", cycleText("session.", path, other))
			}
		}
		path = path[:len(path)-1]
		state[name] = 2
		b.plan.byName[name] = block
		order = append(order, block)
	}
	for _, decl := range b.rb.Sessions {
		if state[decl.Name] == 0 {
			visit(decl.Name)
		}
	}
	return order
}

func (b *builder) newBlock(decl *hclspec.Session) *sessionBlock {
	block := &sessionBlock{decl: decl}
	note := func(expr hclspec.Expression) {
		block.reads = append(block.reads, b.sessionsRead(expr)...)
	}
	note(decl.Target)
	eachOfSession(decl, note)
	for _, step := range steps(decl) {
		eachOfStep(step, note)
	}
	block.after = slices.Clone(block.reads)
	for _, ref := range decl.DependsOn {
		if len(ref.Path) < 2 || ref.Path[0] != "session" || b.sessions[ref.Path[1]] == nil {
			b.problems.errorf(ref.Range, "No such session", "\"depends_on\" names sessions of this runbook, such as session.NAME.")
			continue
		}
		block.after = append(block.after, ref.Path[1])
	}
	block.reads = sortedSet(block.reads)
	block.after = sortedSet(block.after)
	return block
}

// sessionsRead returns the names of the session blocks that an expression
// refers to: all of them when it refers to `session` as a whole.
func (e *Evaluator) sessionsRead(expr hclspec.Expression) []string {
	var names []string
	for _, ref := range hclspec.References(expr) {
		switch {
		case ref.Path[0] != "session":
		case len(ref.Path) == 1:
			for name := range e.sessions {
				names = append(names, name)
			}
		case e.sessions[ref.Path[1]] != nil:
			names = append(names, ref.Path[1])
		}
	}
	return names
}

func sortedSet(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
