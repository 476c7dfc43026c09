package plan

import (
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// variableName is POSIX's portable name of an environment variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// stepEnv returns the session's variables and then the step's.
func (r *renderer) stepEnv(decl *hclspec.Step) []EnvVar {
	own := r.env(decl.Env)
	session := renderer{moment: r.moment, job: r.job, scope: r.jobScope(r.job), problems: r.problems, secrets: r.secrets}
	return append(session.env(r.job.Session.block.decl.Env), own...)
}

// env reads an object of environment variables, ordered by name. A null leaves
// its variable out.
func (r *renderer) env(expr hclspec.Expression) []EnvVar {
	if expr == nil {
		return nil
	}
	v, diags := evaluate(expr, r.scope)
	if diags.HasErrors() {
		r.problems.extend(diags)
		return nil
	}
	if v.IsMarked() {
		r.problems.errorf(expr.Range(), "Sensitive names in env",
			"The object in \"env\" is sensitive as a whole, its names included. Write the names out: env = { NAME = var.x[\"NAME\"] }.")
		return nil
	}
	if !v.IsKnown() && r.planning() {
		return nil
	}
	if v, ok := r.sent("env", expr, cty.DynamicPseudoType); ok {
		return r.variables(expr, v)
	} else if !r.planning() {
		return nil
	}
	return r.variables(expr, bare(v))
}

// variables converts the members of an object that are known.
func (r *renderer) variables(expr hclspec.Expression, v cty.Value) []EnvVar {
	if v.IsNull() {
		return nil
	}
	if !isMapping(v.Type()) {
		r.problems.errorf(expr.Range(), "Value of the wrong type", "\"env\" has to be an object, such as { LC_ALL = \"C\" }.")
		return nil
	}
	var list []EnvVar
	for key, element := range v.Elements() {
		name := key.AsString()
		if !variableName.MatchString(name) {
			r.problems.errorf(expr.Range(), "Bad variable name", "%q cannot be the name of an environment variable: use letters, digits and underscores, and no digit first.", clipText(name, 60))
			continue
		}
		if element.IsNull() || !element.IsKnown() {
			continue
		}
		text, ok := textOf(element)
		switch {
		case !ok:
			r.problems.errorf(expr.Range(), "Value of the wrong type", "The variable %s in \"env\" has to be a string.", name)
		case strings.IndexByte(text, 0) >= 0:
			r.nul("env", expr)
		default:
			list = append(list, EnvVar{Name: name, Value: text})
		}
	}
	slices.SortFunc(list, func(a, b EnvVar) int { return strings.Compare(a.Name, b.Name) })
	return list
}
