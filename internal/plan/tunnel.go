package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// localPortNumber is the parameter, of AWS's documents that forward a port, for
// the port on the operator's machine; "0" is any that is free.
const localPortNumber = "localPortNumber"

// before is what `self` is for a step that has not run: the tunnel that its
// local command may use.
func (m moment) before(job *Job, step *Step) cty.Value {
	if step.Action != ActionLocalCommand {
		return cty.NilVal
	}
	return cty.ObjectVal(map[string]cty.Value{"local_port": m.localPort(job)})
}

// localPort is what `self.local_port` is.
func (m moment) localPort(job *Job) cty.Value {
	if m.facts != nil {
		if facts := m.facts.Jobs[job.Address]; facts != nil && facts.LocalPort > 0 {
			return cty.NumberIntVal(int64(facts.LocalPort))
		}
	}
	return cty.UnknownVal(cty.Number).RefineNotNull()
}

// localPort is the port that the parameters of a port session ask for.
func (r *renderer) localPort(expr hclspec.Expression, parameters map[string][]string) int {
	texts := parameters[localPortNumber]
	if r.job.Kind != KindPort || len(texts) == 0 {
		return 0
	}
	port, err := strconv.Atoi(texts[0])
	if err != nil || port < 0 || port > 65535 || len(texts) > 1 {
		r.problems.errorf(expr.Range(), "Bad local port",
			"%q has to be one number from 0 to 65535, and 0 is any port that is free. Leave it out to have that.", localPortNumber)
		return 0
	}
	return port
}

// checkTunnels looks at the jobs of a session that open a tunnel: whether they
// can all have one, and whether anything uses it.
func (b *builder) checkTunnels(s *Session) {
	tunnels := 0
	taken := map[string]bool{}
	at := s.Range
	if expr := cmp.Or(s.block.decl.Document, s.block.decl.Kind); expr != nil {
		at = expr.Range()
	}
	for _, job := range s.Jobs {
		if job.Kind != KindPort {
			continue
		}
		tunnels++
		if required, _ := b.plan.encryption(job); required {
			b.problems.errorf(at, "Encryption that a tunnel cannot have",
				"Agents do not encrypt port sessions with a KMS key, and %s requires it. Take require_encryption and kms_key_id out, or use another document.", s.Address)
		}
		local, known := b.plan.tunnelViewer(job).parameter(s.block.decl.Parameters, localPortNumber)
		if number, err := strconv.Atoi(local); !known || err != nil || number == 0 {
			continue
		}
		if taken[local] && s.Rollout.MaxParallel != 1 {
			b.problems.warnf(s.block.decl.Parameters.Range(), "One local port for several tunnels",
				"Several targets of %s are to have local port %s at the same time, and only one can. Leave %q out to have a free port for each, or say max_parallel = 1 in a rollout block.", s.Address, local, localPortNumber)
		}
		taken[local] = true
	}
	used := slices.ContainsFunc(append(append([]*Step{}, s.Steps...), s.Finally...), func(step *Step) bool {
		return step.Action == ActionLocalCommand
	})
	if tunnels > 0 && !used {
		b.problems.errorf(at, "Tunnel without a use",
			"A session of the port kind opens its tunnel for local_command steps, and %s has none. Add one, or take the document out.", s.Address)
	}
}

// PreviewTunnel returns which tunnel a job of the port kind opens, for people at
// plan time, and "" for other jobs.
func (p *Plan) PreviewTunnel(job *Job) string {
	if job.Kind != KindPort {
		return ""
	}
	v, parameters := p.tunnelViewer(job), job.Session.block.decl.Parameters
	local, ok := v.parameter(parameters, localPortNumber)
	switch {
	case !ok || local == "0":
		local = "a free local port"
	default:
		local = "local port " + local
	}
	far, ok := v.parameter(parameters, "portNumber")
	if !ok {
		far = "of the document"
	}
	text := local + " to port " + far
	if host, ok := v.parameter(parameters, "host"); ok {
		text += " of " + host
	}
	return text
}

func (p *Plan) tunnelViewer(job *Job) viewer {
	return viewer{moment{plan: p}.jobScope(job)}
}

// parameter shows one of a session's parameters, as far as it is known, and
// false when it is not given.
func (v viewer) parameter(parameters hclspec.Expression, name string) (string, bool) {
	if parameters == nil {
		return "", false
	}
	entries, written := hclspec.MapEntries(parameters)
	for _, entry := range entries {
		key, diags := evaluate(entry.Key, nil)
		if text, ok := textOf(key); diags.HasErrors() || !ok || text != name {
			continue
		}
		value := entry.Value
		if elements, ok := hclspec.ListElements(value); ok && len(elements) == 1 {
			value = elements[0]
		}
		return v.text(value), true
	}
	if written {
		return "", false
	}
	value, diags := evaluate(parameters, v.scope)
	if diags.HasErrors() || isSecret(value) || !value.IsKnown() || value.IsNull() || !isMapping(value.Type()) {
		return "", false
	}
	for key, element := range value.Elements() {
		if texts, ok := textsOf(element); ok && key.AsString() == name && len(texts) == 1 {
			return texts[0], true
		}
	}
	return "", false
}
