package hclspec

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// agent decodes an agent block; what it does not say is as in base.
func (d *decoder) agent(block *hcl.Block, base Agent) Agent {
	b := d.body(block.Body, "an agent block", block.DefRange, form{
		attributes: "version max_payload first_output_delay pacing output_rate utf8 direct_exec kill_direct_child",
	})
	a := Agent{
		Version:          base.Version,
		MaxPayload:       b.whole("max_payload", base.MaxPayload, 1, 64<<10),
		FirstOutputDelay: b.span("first_output_delay", base.FirstOutputDelay),
		Pacing:           b.span("pacing", base.Pacing),
		OutputRate:       b.whole("output_rate", base.OutputRate, 0, 1<<30),
		UTF8:             b.flag("utf8", base.UTF8),
		DirectExec:       b.flag("direct_exec", base.DirectExec),
		KillDirectChild:  b.flag("kill_direct_child", base.KillDirectChild),
	}
	if version, ok := b.text("version"); ok {
		a.Version = version
		if !agentVersion.MatchString(version) {
			d.complain(b.attrs["version"].Expr.Range(), "Invalid agent version", "%q is no version of the agent, such as %q.", version, base.Version)
		}
	}
	return a
}

var agentVersion = regexp.MustCompile(`^\d{1,6}(?:\.\d{1,6}){1,3}$`)
