package hclspec

import (
	"regexp"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// agent decodes an agent block; what it does not say is as in base.
func (d *decoder) agent(block *hcl.Block, base Agent) Agent {
	b := d.body(block.Body, "an agent block", block.DefRange, form{
		attributes: "version max_payload first_output_delay pacing utf8 direct_exec kill_direct_child",
	})
	a := Agent{
		Version:          base.Version,
		MaxPayload:       b.whole("max_payload", base.MaxPayload, 1, 64<<10),
		FirstOutputDelay: b.span("first_output_delay", base.FirstOutputDelay),
		Pacing:           b.span("pacing", base.Pacing),
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

// faults decodes a faults block; what it does not say is as in base. The rate
// of starts is the service's, so only the lab as a whole has one.
func (d *decoder) faults(block *hcl.Block, base Faults, top bool) Faults {
	f := form{attributes: "latency drop duplicate reorder disconnect seed"}
	if top {
		f.attributes += " start_rate"
	}
	b := d.body(block.Body, "a faults block", block.DefRange, f)
	out := Faults{
		Latency:    b.span("latency", base.Latency),
		StartRate:  base.StartRate,
		Drop:       b.share("drop", base.Drop),
		Duplicate:  b.share("duplicate", base.Duplicate),
		Reorder:    b.share("reorder", base.Reorder),
		Disconnect: b.every("disconnect", base.Disconnect),
		Seed:       base.Seed,
	}
	if v, ok := b.number("start_rate", 0, 1e6); ok {
		out.StartRate = v
	}
	if v, ok := b.literal("seed", cty.Number); ok {
		seed, accuracy := v.AsBigFloat().Int64()
		if accuracy != 0 {
			d.complain(b.attrs["seed"].Expr.Range(), "Wrong type", "\"seed\" has to be a whole number.")
		}
		out.Seed = seed
	}
	return out
}

// number decodes a literal number between two limits.
func (b *body) number(name string, least, most float64) (float64, bool) {
	v, ok := b.literal(name, cty.Number)
	if !ok {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	if f < least || f > most {
		b.d.complain(b.attrs[name].Expr.Range(), "Out of range", "%q has to be between %s and %s.",
			name, strconv.FormatFloat(least, 'f', -1, 64), strconv.FormatFloat(most, 'f', -1, 64))
		return 0, false
	}
	return f, true
}

func (b *body) whole(name string, fallback, least, most int) int {
	f, ok := b.number(name, float64(least), float64(most))
	if !ok {
		return fallback
	}
	if f != float64(int(f)) {
		b.d.complain(b.attrs[name].Expr.Range(), "Wrong type", "%q has to be a whole number.", name)
		return fallback
	}
	return int(f)
}

// share decodes a share of messages.
func (b *body) share(name string, fallback float64) float64 {
	if f, ok := b.number(name, 0, 1); ok {
		return f
	}
	return fallback
}

// span decodes a literal duration.
func (b *body) span(name string, fallback time.Duration) time.Duration {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid duration",
			"%q is no duration of at most a day. Write a number with a unit, such as \"25ms\" or \"2s\".", text)
		return fallback
	}
	return d
}

var everyMessages = regexp.MustCompile(`^every ([1-9][0-9]{0,8}) messages?$`)

// every decodes `every 200 messages`, or `never`.
func (b *body) every(name string, fallback int) int {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	if text == "never" {
		return 0
	}
	m := everyMessages.FindStringSubmatch(text)
	if m == nil {
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid value", "%q has to be such as \"every 200 messages\", or \"never\".", name)
		return fallback
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
