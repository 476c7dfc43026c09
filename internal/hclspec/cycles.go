package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// dependency says that something needs the thing of that name, and where.
type dependency struct {
	name string
	rng  hcl.Range
}

// localCycles complains about local values that depend on themselves.
func (c *checker) localCycles() {
	graph := map[string][]dependency{}
	for _, l := range c.rb.Locals {
		for _, ref := range References(l.Expr) {
			if ref.Path[0] == "local" && len(ref.Path) > 1 {
				graph[l.Name] = append(graph[l.Name], dependency{ref.Path[1], ref.Range})
			}
		}
	}
	order := make([]string, len(c.rb.Locals))
	for i, l := range c.rb.Locals {
		order[i] = l.Name
	}
	c.cycles("local", order, graph)
}

// sessionCycles complains about sessions that wait for one another.
func (c *checker) sessionCycles() {
	order := make([]string, len(c.rb.Sessions))
	for i, s := range c.rb.Sessions {
		order[i] = s.Name
	}
	c.cycles("session", order, c.after)
}

// cycles names each cycle of the graph once, at the reference that closes it.
func (c *checker) cycles(kind string, order []string, graph map[string][]dependency) {
	const (
		open = 1
		done = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		path = append(path, name)
		for _, next := range graph[name] {
			switch state[next.name] {
			case open:
				c.cycle(kind, append(slices.Clone(path[slices.Index(path, next.name):]), next.name), next.rng)
			case done:
			default:
				visit(next.name)
			}
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, name := range order {
		if state[name] == 0 {
			visit(name)
		}
	}
}

func (c *checker) cycle(kind string, path []string, rng hcl.Range) {
	for i := range path {
		path[i] = kind + "." + path[i]
	}
	what := map[string]string{"local": "Local values", "session": "Sessions"}[kind]
	c.complain(rng, "Reference cycle", "%s cannot depend on themselves: %s. Break the cycle by removing one reference.",
		what, strings.Join(path, " → "))
}
