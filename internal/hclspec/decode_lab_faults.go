package hclspec

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// faults decodes a faults block over base: what the block says replaces what base
// says under the same name, be it an argument, a phase of slow, or the label of
// an api or bad_message block. The rate of starts is the service's, so only the
// lab as a whole has one.
func (d *decoder) faults(block *hcl.Block, base Faults, top bool) Faults {
	f := form{
		attributes: "latency jitter drop drop_burst duplicate reorder disconnect blackhole pause lost_start slow " +
			"reboot agent_dies agent_hangs agent_back seed",
		blocks: "api:operation bad_message:kind",
	}
	if top {
		f.attributes += " start_rate"
	}
	b := d.body(block.Body, "a faults block", block.DefRange, f)
	out := base
	out.Latency = b.span("latency", base.Latency)
	out.Jitter = b.span("jitter", base.Jitter)
	out.Drop = b.share("drop", base.Drop)
	out.DropBurst = b.whole("drop_burst", base.DropBurst, 1, 1000)
	out.Duplicate = b.share("duplicate", base.Duplicate)
	out.Reorder = b.share("reorder", base.Reorder)
	out.Disconnect = b.trigger("disconnect", base.Disconnect, true)
	out.Blackhole = b.trigger("blackhole", base.Blackhole, true)
	out.Pause = b.pause("pause", base.Pause)
	out.LostStart = b.flag("lost_start", base.LostStart)
	out.Slow = b.slow(base.Slow)
	out.Reboot = b.trigger("reboot", base.Reboot, true)
	out.AgentDies = b.trigger("agent_dies", base.AgentDies, true)
	out.AgentHangs = b.trigger("agent_hangs", base.AgentHangs, true)
	out.AgentBack = b.spanOrNever("agent_back", base.AgentBack)
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
	out.API = b.apiFaults(base.API, top)
	out.BadMessages = b.badMessages(base.BadMessages)
	return out
}

// apiFaults decodes the api blocks.
func (b *body) apiFaults(base map[string]APIFault, top bool) map[string]APIFault {
	out, seen := maps.Clone(base), map[string]hcl.Range{}
	for _, block := range b.all("api") {
		operation := block.Labels[0]
		known := NodeOperations
		if top {
			known = slices.Concat(NodeOperations, LabOperations)
		}
		switch {
		case slices.Contains(known, operation):
			b.d.declare(seen, "api block", operation, block.LabelRanges[0])
		case slices.Contains(LabOperations, operation):
			b.d.complain(block.LabelRanges[0], "Invalid operation",
				"%q is about no node: move the block to the faults block outside nodes.", operation)
			continue
		default:
			b.d.complain(block.LabelRanges[0], "Invalid operation",
				"%q is no operation that can fail here: it has to be %s.", operation, quoted(known, "or"))
			continue
		}
		if out == nil {
			out = map[string]APIFault{}
		}
		out[operation] = b.d.apiFault(block, operation)
	}
	return out
}

func (d *decoder) apiFault(block *hcl.Block, operation string) APIFault {
	b := d.body(block.Body, "an api block", block.DefRange, form{attributes: "error* first share"})
	fault := APIFault{
		Error: b.oneOf("error", ErrorNone, APIErrors...),
		First: b.whole("first", 0, 1, 1e6),
		Share: b.share("share", 0),
	}
	b.exclusive("first", "share", "say how many calls fail at first, or by what chance each does.")
	if fault.Error != ErrorNone && b.attrs["first"] == nil && b.attrs["share"] == nil {
		d.complain(block.DefRange, "Missing argument", "Say which calls fail: \"first\", how many from the beginning, or \"share\", the chance of each.")
	}
	needed := map[string][]string{
		"TargetNotConnected": {"StartSession"},
		ErrorEmptyToken:      {"StartSession", "ResumeSession"},
	}[fault.Error]
	if needed != nil && !slices.Contains(needed, operation) {
		d.complain(b.attrs["error"].Expr.Range(), "Invalid value", "%s does not answer %q: only %s does.",
			operation, fault.Error, quoted(needed, "or"))
	}
	return fault
}

// badMessages decodes the bad_message blocks.
func (b *body) badMessages(base map[string]Trigger) map[string]Trigger {
	out, seen := maps.Clone(base), map[string]hcl.Range{}
	for _, block := range b.all("bad_message") {
		kind := block.Labels[0]
		if !slices.Contains(BadMessageKinds, kind) {
			b.d.complain(block.LabelRanges[0], "Invalid kind of message", "%q has to be %s.", kind, quoted(BadMessageKinds, "or"))
			continue
		}
		b.d.declare(seen, "bad_message block", kind, block.LabelRanges[0])
		inner := b.d.body(block.Body, "a bad_message block", block.DefRange, form{attributes: "when*"})
		if out == nil {
			out = map[string]Trigger{}
		}
		out[kind] = inner.trigger("when", Trigger{}, false)
	}
	return out
}

// slow decodes how long phases take.
func (b *body) slow(base map[string]time.Duration) map[string]time.Duration {
	spans := b.texts("slow")
	out := maps.Clone(base)
	for _, phase := range keysOf(spans) {
		rng := b.attrs["slow"].Expr.Range()
		if !slices.Contains(phases, phase) {
			b.d.complain(rng, "Invalid phase", "\"slow\" has %q in it, and can have %s.", phase, quoted(phases, "and"))
			continue
		}
		d, ok := parseSpan(spans[phase], true)
		if !ok {
			b.d.complain(rng, "Invalid duration",
				"%q is no time that the phase %q can take: write a number with a unit, such as \"2s\", or \"never\".", spans[phase], phase)
			continue
		}
		if out == nil {
			out = map[string]time.Duration{}
		}
		out[phase] = d
	}
	return out
}

// counted is a trigger by what passed, timed one by the clock.
var (
	counted = regexp.MustCompile(`^(every|after) ([1-9][0-9]{0,8}) (messages?|bytes?|KiB|MiB)$`)
	timed   = regexp.MustCompile(`^(every|after) ([0-9.]+[a-zµ][0-9.a-zµ]*)$`)
	paused  = regexp.MustCompile(`^(.+) for (\S+)$`)
)

// trigger decodes when a fault strikes: `every 200 messages`, `after 64 KiB`,
// `after 2s` where the clock may count, or `never`.
func (b *body) trigger(name string, fallback Trigger, clock bool) Trigger {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	t, ok := parseTrigger(text, clock)
	if !ok {
		examples := []string{"every 200 messages", "after 64 KiB"}
		if clock {
			examples = append(examples, "after 2s")
		}
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid value", "%q has to be such as %s, or \"never\".", name, quoted(examples, "or"))
		return fallback
	}
	return t
}

func parseTrigger(text string, clock bool) (Trigger, bool) {
	if text == "never" {
		return Trigger{}, true
	}
	if m := timed.FindStringSubmatch(text); m != nil && clock {
		d, ok := parseSpan(m[2], false)
		return Trigger{Repeats: m[1] == "every", Time: d}, ok && d > 0
	}
	m := counted.FindStringSubmatch(text)
	if m == nil {
		return Trigger{}, false
	}
	t := Trigger{Repeats: m[1] == "every"}
	n, err := strconv.Atoi(m[2])
	switch m[3] {
	case "message", "messages":
		t.Messages = n
	case "byte", "bytes":
		t.Bytes = int64(n)
	case "KiB":
		t.Bytes = int64(n) << 10
	case "MiB":
		t.Bytes = int64(n) << 20
	}
	return t, err == nil
}

// pause decodes `every 20 messages for 2s`, or `never`.
func (b *body) pause(name string, fallback Pause) Pause {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	if text == "never" {
		return Pause{}
	}
	if m := paused.FindStringSubmatch(text); m != nil {
		when, ok := parseTrigger(m[1], false)
		d, valid := parseSpan(m[2], false)
		if ok && valid && !when.IsZero() {
			return Pause{When: when, For: d}
		}
	}
	b.d.complain(b.attrs[name].Expr.Range(), "Invalid value",
		"%q has to be such as \"every 20 messages for 2s\", \"after 64 KiB for 500ms\", or \"never\".", name)
	return fallback
}
