package hclspec

import (
	"fmt"
	"slices"
)

// throughLocal checks what a local value refers to, directly or through others,
// against the spot where it is used: a selector must not ask for targets by way
// of a local.
func (c *checker) throughLocal(ref Reference, at spot) {
	if at.targets {
		return
	}
	seen := map[string]bool{}
	var visit func(name string) *Reference
	visit = func(name string) *Reference {
		local := c.locals[name]
		if local == nil || seen[name] {
			return nil
		}
		seen[name] = true
		for _, used := range References(local.Expr) {
			if used.Path[0] == "targets" {
				return &used
			}
			if used.Path[0] == "local" && len(used.Path) > 1 {
				if found := visit(used.Path[1]); found != nil {
					return found
				}
			}
		}
		return nil
	}
	if found := visit(ref.Path[1]); found != nil {
		c.complain(ref.Range, "Name not allowed here",
			"local.%s depends on targets (%s), which may not be used in %s.", ref.Path[1], place(found.Range), at.what)
	}
}

// sessionReference checks session.NAME[KEY][ID].ATTRIBUTE as far as its keys
// are constant.
func (c *checker) sessionReference(ref Reference, at spot) {
	if !declared(c, ref, "session", "session", c.sessions) {
		return
	}
	name := ref.Path[1]
	session := c.sessions[name]
	if session == at.session {
		c.complain(ref.Range, "Session refers to itself",
			"session.%s is this session. Inside it, step.NAME refers to its earlier steps.", name)
		return
	}
	if at.session != nil {
		c.after[at.session.Name] = append(c.after[at.session.Name], dependency{name, ref.Range})
	}
	i := 2 // of the target's id
	if session.ForEach != nil || session.Count != nil {
		i++
	}
	if !c.attributeIfAny(ref, i+1, "session."+name+"[…]", jobAttributes) || ref.Path[i+1] != "step" || len(ref.Path) <= i+2 {
		return
	}
	steps := slices.Concat(session.Steps, session.Finally)
	step := stepNamed(steps, ref.Path[i+2])
	if step == nil {
		c.attribute(ref, i+2, "session."+name+"[…].step", stepNames(steps), true)
		return
	}
	c.stepAttribute(ref, i+3, step)
}

// attributeIfAny is attribute when the path goes that far.
func (c *checker) attributeIfAny(ref Reference, i int, of string, known []string) bool {
	return len(ref.Path) > i && c.attribute(ref, i, of, known, true)
}

// stepReference checks step.NAME, which has to be an earlier step.
func (c *checker) stepReference(ref Reference, at spot) {
	if len(ref.Path) < 2 {
		c.complain(ref.Range, "Incomplete reference", "\"step\" needs the name of an earlier step after it, such as step.name.")
		return
	}
	name := ref.Path[1]
	if step := stepNamed(at.steps, name); step != nil {
		c.stepAttribute(ref, 2, step)
		return
	}
	switch all := slices.Concat(at.session.Steps, at.session.Finally); {
	case name == at.step.Name:
		c.complain(ref.Range, "Step refers to itself",
			"step.%s is this step. In expect, assert, captures and until, self is its result.", name)
	case stepNamed(all, name) != nil:
		c.complain(ref.Range, "Step has not run yet",
			"step.%s comes later (%s). A step can refer to earlier steps only: move one of them.",
			name, place(stepNamed(all, name).Range))
	default:
		known := stepNames(at.steps)
		hint := didYouMean(name, known)
		if hint == "" {
			hint = fmt.Sprintf(" Earlier steps are: %s.", list(known))
		}
		c.complain(ref.Range, "No such step", "This session has no step %q.%s", name, hint)
	}
}

// stepAttribute checks the attribute of a step at Path[i], after the key where
// the step has for_each.
func (c *checker) stepAttribute(ref Reference, i int, step *Step) {
	of := "step." + step.Name
	if step.ForEach != nil {
		if len(ref.Path) > i && slices.Contains(stepAttributes, ref.Path[i]) && len(ref.Path) == i+1 {
			c.complain(ref.Range, "Step with for_each",
				"%s has one result for each key: write %s[\"key\"].%s.", of, of, ref.Path[i])
			return
		}
		i++
		of += "[…]"
	}
	if !c.attributeIfAny(ref, i, of, stepAttributes) {
		return
	}
	if ref.Path[i] == "captures" && len(ref.Path) > i+1 {
		c.attribute(ref, i+1, of+".captures", captureNames(step), true)
	}
}

func (c *checker) selfReference(ref Reference, at spot) {
	if !c.attribute(ref, 1, "self", nameAttributes["self"], true) {
		return
	}
	switch name := ref.Path[1]; {
	case name == "local_port":
		if at.step.LocalCommand == nil {
			c.complain(ref.Range, "No tunnel here",
				"self.local_port is this machine's end of a tunnel, and only local_command steps of a session with a port document have one.")
		}
	case (name == "bytes" || name == "sha256") && at.step.Upload == nil && at.step.Download == nil:
		c.complain(ref.Range, "No transfer here",
			"self.%s is of what was transferred, and only steps with an upload or download block have it.", name)
	case at.self == selfTunnel:
		c.complain(ref.Range, "Result is not there yet",
			"self.%s comes from the command that is to run. It may be used in expect, assert, captures and until; before that there is self.local_port.", name)
	case name != "captures":
	case at.self == selfOutput:
		c.complain(ref.Range, "Captures are not there yet",
			"The captures of a step are taken after its expectations: self.captures may be used in assert and until.")
	case len(ref.Path) > 2:
		c.attribute(ref, 2, "self.captures", captureNames(at.step), true)
	}
}

func stepNamed(steps []*Step, name string) *Step {
	for _, step := range steps {
		if step.Name == name {
			return step
		}
	}
	return nil
}

func stepNames(steps []*Step) []string {
	names := make([]string, len(steps))
	for i, step := range steps {
		names[i] = step.Name
	}
	return names
}

func captureNames(step *Step) []string {
	names := make([]string, len(step.Captures))
	for i, capture := range step.Captures {
		names[i] = capture.Name
	}
	return names
}
