package hclspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// name tells what a reference brings from outside: nothing, or itself.
func (c *rawShell) name(e *hclsyntax.ScopeTraversalExpr, bound map[string][]rawValue) []rawValue {
	ref := referenceOf(e.Traversal)
	it := rawValue{rng: ref.Range, name: c.asWritten(ref)}
	root := ref.Path[0]
	if of, ok := bound[root]; ok {
		if len(of) > 0 {
			it.why = fmt.Sprintf(" (it is of %s)", of[0].name)
			return []rawValue{it}
		}
		return nil
	}
	outside := false
	switch root {
	case "var":
		outside = !c.plainVariable(ref.Path)
	case "local":
		of := c.local(ref.Path)
		if outside = len(of) > 0; outside {
			it.why = fmt.Sprintf(" (%s is in it)", of[0].name)
		}
	case "each":
		of := c.each(last(ref.Path) == "key")
		if outside = len(of) > 0; outside {
			it.why = fmt.Sprintf(" (it is of %s)", of[0].name)
		}
	case "self":
		outside = !slices.Contains([]string{"exit_code", "duration", "attempt", "local_port", "bytes", "sha256"}, last(ref.Path))
	case "step":
		outside = c.captured(ref.Path)
	case "session":
		outside = slices.Contains(ref.Path, "captures") || nameOrTag(ref.Path)
	case "target", "targets":
		outside = nameOrTag(ref.Path)
	}
	if !outside {
		return nil
	}
	return []rawValue{it}
}

// nameOrTag: whoever may tag a node chooses its name and tags; the rest of a
// target is AWS's.
func nameOrTag(path []string) bool {
	return slices.Contains(path, "name") || slices.Contains(path, "tags")
}

func last(path []string) string { return path[len(path)-1] }

// asWritten is a reference as the author wrote it.
func (c *rawShell) asWritten(ref Reference) string {
	file := c.rb.Files[ref.Range.Filename]
	if file != nil && ref.Range.CanSliceBytes(file.Bytes) {
		if text := string(ref.Range.SliceBytes(file.Bytes)); strings.HasPrefix(text, ref.Path[0]) && !strings.Contains(text, "\n") {
			return text
		}
	}
	return strings.Join(ref.Path, ".") // JSON has other offsets
}

// plainVariable reports whether a variable, or the part of it that is named, can
// only be a number or a bool.
func (c *rawShell) plainVariable(path []string) bool {
	for _, v := range c.rb.Variables {
		if len(path) < 2 || v.Name != path[1] {
			continue
		}
		ty := v.Type
		for _, part := range path[2:] {
			switch {
			case ty.IsObjectType() && ty.HasAttribute(part):
				ty = ty.AttributeType(part)
			case ty.IsMapType(), ty.IsListType():
				ty = ty.ElementType()
			}
		}
		return ty == cty.Number || ty == cty.Bool
	}
	return false
}

// local looks into a local value.
func (c *rawShell) local(path []string) []rawValue {
	if len(path) < 2 || c.open[path[1]] {
		return nil
	}
	for _, l := range c.rb.Locals {
		if l.Name != path[1] {
			continue
		}
		c.open[l.Name] = true
		defer delete(c.open, l.Name)
		if expr, ok := unwrapped(l.Expr).(hclsyntax.Expression); ok {
			return c.values(expr, nil)
		}
	}
	return nil
}

// captured reports whether a path leads to a capture that is text of a target.
func (c *rawShell) captured(path []string) bool {
	at := slices.Index(path, "captures")
	if at < 0 {
		return false
	}
	for _, step := range slices.Concat(c.session.Steps, c.session.Finally) {
		for _, capture := range step.Captures {
			if step.Name != path[1] || at+1 >= len(path) || capture.Name != path[at+1] {
				continue
			}
			if expr, ok := unwrapped(capture.Expr).(hclsyntax.Expression); ok {
				return len(c.values(expr, nil)) > 0
			}
		}
	}
	return true
}

// each is what the session, or the step, is repeated for.
func (c *rawShell) each(key bool) []rawValue {
	over := c.session.ForEach
	if c.step.ForEach != nil {
		over = c.step.ForEach
	}
	expr, ok := unwrapped(over).(hclsyntax.Expression)
	if !ok {
		return nil
	}
	if object, ok := expr.(*hclsyntax.ObjectConsExpr); ok && key {
		var out []rawValue
		for _, item := range object.Items {
			if wrapped, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok && wrapped.ForceNonLiteral {
				out = append(out, c.values(wrapped.Wrapped, nil)...)
			}
		}
		return out
	}
	return c.values(expr, nil)
}
