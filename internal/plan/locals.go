package plan

import (
	"maps"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// locals has the local values in an order in which each comes after those it
// refers to.
type locals struct {
	order []*hclspec.Local
	uses  map[string][]string // names of the locals that a local refers to
	late  map[string]bool     // refers to targets, itself or through others
}

func newLocals(declared []*hclspec.Local, found *problems) *locals {
	l := &locals{uses: map[string][]string{}, late: map[string]bool{}}
	byName := make(map[string]*hclspec.Local, len(declared))
	for _, local := range declared {
		byName[local.Name] = local
	}
	state := map[string]int{} // 1: on the path, 2: done
	var path []string
	var visit func(local *hclspec.Local)
	visit = func(local *hclspec.Local) {
		state[local.Name] = 1
		path = append(path, local.Name)
		for _, ref := range hclspec.References(local.Expr) {
			if ref.Path[0] == "targets" {
				l.late[local.Name] = true
			}
			if ref.Path[0] != "local" || len(ref.Path) < 2 || byName[ref.Path[1]] == nil {
				continue
			}
			name := ref.Path[1]
			l.uses[local.Name] = append(l.uses[local.Name], name)
			switch state[name] {
			case 0:
				visit(byName[name])
			case 1:
				found.errorf(ref.Range, "Reference cycle", "These local values refer to each other in a circle: %s. Break it at one of them.",
					cycleText("local.", path, name))
				continue
			}
			l.late[local.Name] = l.late[local.Name] || l.late[name]
		}
		path = path[:len(path)-1]
		state[local.Name] = 2
		l.order = append(l.order, local)
	}
	for _, local := range declared {
		if state[local.Name] == 0 {
			visit(local)
		}
	}
	return l
}

// cycleText names the members of a cycle: the end of a path from the name that
// closes it.
func cycleText(prefix string, path []string, closing string) string {
	var names []string
	for i, name := range path {
		if name == closing {
			for _, member := range path[i:] {
				names = append(names, prefix+member)
			}
			break
		}
	}
	return strings.Join(append(names, prefix+closing), " -> ")
}

// evaluate returns the object that `local` is. In the first round, known is
// nil and what refers to targets is unknown; the second round is given the
// first one's object and evaluates only those.
func (l *locals) evaluate(base *hclspec.Scope, known map[string]cty.Value, found *problems) cty.Value {
	attrs := make(map[string]cty.Value, len(l.order))
	maps.Copy(attrs, known)
	first := known == nil
	for _, local := range l.order {
		if first == l.late[local.Name] {
			if first {
				attrs[local.Name] = cty.DynamicVal
			}
			continue
		}
		scope := base.NewChild()
		scope.Variables = map[string]cty.Value{"local": l.usedBy(local.Name, attrs)}
		v, diags := evaluate(local.Expr, scope)
		found.extend(diags)
		attrs[local.Name] = v
	}
	return cty.ObjectVal(attrs)
}

func (l *locals) usedBy(name string, attrs map[string]cty.Value) cty.Value {
	used := make(map[string]cty.Value, len(l.uses[name]))
	for _, other := range l.uses[name] {
		if v, ok := attrs[other]; ok {
			used[other] = v
		} else {
			used[other] = cty.DynamicVal
		}
	}
	return cty.ObjectVal(used)
}
