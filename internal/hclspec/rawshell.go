package hclspec

import (
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A value that is written into a shell's text can be more than a value: `; reboot`
// is a valid service name until it reaches sh. What the author wrote in the runbook
// is trusted; variables, captures, names and tags of targets are not, and neither
// is what is made of them, unless it went through shellquote or can only be a
// number or the like.

// rawShell warns of values that reach a shell as they are.
type rawShell struct {
	rb      *Runbook
	session *Session
	step    *Step
	diags   hcl.Diagnostics
	open    map[string]bool // locals that are being looked into
}

// rawValue is a value of the outside in a shell's text.
type rawValue struct {
	rng  hcl.Range
	name string // as the author wrote it
	why  string // what of it is from outside, when the name does not say it
}

func checkRawShell(rb *Runbook) hcl.Diagnostics {
	c := &rawShell{rb: rb, open: map[string]bool{}}
	for _, session := range rb.Sessions {
		c.session = session
		for _, step := range slices.Concat(session.Steps, session.Finally) {
			shell := step.Shell
			if shell == nil {
				shell = session.Shell
			}
			if name, known := shellName(shell); !known || quoters[name] != "" {
				c.command(step, step.Command, quoters[name])
			}
			c.command(step, step.LocalCommand, "shellquote")
			if step.Reboot != nil {
				c.command(step, step.Reboot.Command, "shellquote")
			}
		}
	}
	return c.diags
}

// quoters are the shells whose text the runbook can quote for.
var quoters = map[string]string{
	"": "shellquote", "sh": "shellquote", "dash": "shellquote", "ash": "shellquote", "bash": "shellquote", "ksh": "shellquote",
	"ksh93": "shellquote", "mksh": "shellquote", "zsh": "shellquote", "yash": "shellquote", "fish": "shellquote", "busybox": "shellquote",
	"powershell": "powershellquote", "pwsh": "powershellquote",
}

// shellName is the program of a `shell` argument, and whether it is written out.
func shellName(expr Expression) (name string, known bool) {
	if expr == nil {
		return "", true
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	words := strings.Fields(v.AsString())
	if len(words) == 0 {
		return "", true
	}
	return strings.TrimSuffix(path.Base(words[0]), ".exe"), true
}

// command looks at a command: a text for a shell, or a list that names one.
func (c *rawShell) command(step *Step, expr Expression, quoter string) {
	c.step = step
	if expr == nil {
		return
	}
	var raw []rawValue
	switch e := unwrapped(expr).(type) {
	case *hclsyntax.TupleConsExpr:
		quoter, raw = c.list(e)
	case *hclsyntax.ScopeTraversalExpr:
		// A value that is all of the command is the author's command, but not when
		// a target said it.
		if root := e.Traversal.RootName(); root == "step" || root == "session" || root == "self" {
			raw = c.values(e, nil)
		}
	case hclsyntax.Expression:
		raw = c.values(e, nil)
	}
	if quoter == "" {
		quoter = "shellquote"
	}
	for _, v := range raw {
		c.diags = append(c.diags, warning(v.rng, "Raw value in a shell command",
			"%s goes into the text of step %q as it is%s, so that what it holds can run as a command. Write %s(%s), give the command as a list, or pass the value by \"env\".",
			v.name, step.Name, v.why, quoter, v.name))
	}
}

// list looks at `["sh", "-c", "text"]` and its kind: the other words of a list are
// quoted.
func (c *rawShell) list(e *hclsyntax.TupleConsExpr) (quoter string, raw []rawValue) {
	for i, word := range e.Exprs {
		v, diags := word.Value(nil)
		if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
			continue
		}
		text := v.AsString()
		if name := strings.TrimSuffix(path.Base(text), ".exe"); name != "" && quoters[name] != "" {
			quoter = quoters[name]
			continue
		}
		flag := strings.ToLower(text)
		if quoter == "" || i+1 >= len(e.Exprs) || !strings.HasPrefix(flag, "-") {
			continue
		}
		if posix := !strings.HasPrefix(flag, "--") && strings.HasSuffix(flag, "c"); posix || flag == "-command" {
			return quoter, c.values(e.Exprs[i+1], nil)
		}
	}
	return "", nil
}

// harmless are functions whose results have no character that a shell reads as
// anything else, and those that quote. What a template file does with its
// variables is not looked into.
var harmless = func() map[string]bool {
	names := map[string]bool{}
	for _, name := range strings.Fields(`shellquote powershellquote templatefile
		abs ceil floor log max min parseint pow signum sum length tonumber tobool index timecmp
		alltrue anytrue can contains endswith startswith strcontains fileexists issensitive
		base64encode base64gzip base64sha256 base64sha512 md5 sha1 sha256 sha512 filebase64 filebase64sha256 filebase64sha512
		filemd5 filesha1 filesha256 filesha512 uuidv5 urlencode cidrhost cidrnetmask cidrsubnet cidrsubnets`) {
		names[name], names["core::"+name] = true, true
	}
	return names
}()

// values are the values of the outside that are in an expression's text. bound
// has the names of `for` in force, and whether they are of the outside.
func (c *rawShell) values(expr hclsyntax.Expression, bound map[string][]rawValue) []rawValue {
	all := func(exprs ...hclsyntax.Expression) (out []rawValue) {
		for _, e := range exprs {
			if e != nil {
				out = append(out, c.values(e, bound)...)
			}
		}
		return out
	}
	switch e := expr.(type) {
	case collection:
		return all(e.Expression)
	case iteration:
		return all(e.Expression)
	case templatePart:
		return all(e.Expression)
	case *hclsyntax.TemplateExpr:
		return all(e.Parts...)
	case *hclsyntax.TemplateWrapExpr:
		return all(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		return all(e.Tuple)
	case *hclsyntax.ParenthesesExpr:
		return all(e.Expression)
	case *hclsyntax.ConditionalExpr:
		return all(e.TrueResult, e.FalseResult)
	case *hclsyntax.TupleConsExpr:
		return all(e.Exprs...)
	case *hclsyntax.ObjectConsExpr:
		var out []rawValue
		for _, item := range e.Items {
			out = append(out, all(item.ValueExpr)...)
		}
		return out
	case *hclsyntax.IndexExpr:
		return all(e.Collection)
	case *hclsyntax.RelativeTraversalExpr:
		return all(e.Source)
	case *hclsyntax.SplatExpr:
		return all(e.Source)
	case *hclsyntax.FunctionCallExpr:
		if harmless[e.Name] {
			return nil
		}
		return all(e.Args...)
	case *hclsyntax.ForExpr:
		return c.loop(e, bound)
	case *hclsyntax.ScopeTraversalExpr:
		return c.name(e, bound)
	}
	return nil // literals; operators give numbers and truth
}

func (c *rawShell) loop(e *hclsyntax.ForExpr, bound map[string][]rawValue) []rawValue {
	inner := map[string][]rawValue{}
	for name, raw := range bound {
		inner[name] = raw
	}
	of := c.values(e.CollExpr, bound)
	inner[e.ValVar] = of
	if e.KeyVar != "" {
		inner[e.KeyVar] = of
	}
	return c.values(e.ValExpr, inner)
}
