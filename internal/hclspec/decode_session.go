package hclspec

import (
	"github.com/hashicorp/hcl/v2"
)

var sessionForm = form{
	attributes: "for_each count target* provider document parameters reason kind timeout env when after on_disconnect " +
		"max_output shell allow_sensitive_parameters depends_on require_encryption kms_key_id helper",
	blocks: "precondition rollout step:name finally:name",
	later:  "dynamic:name =fence =fence_dir =port =local_port",
}

func (d *decoder) session(block *hcl.Block) *Session {
	before := len(d.diags)
	b := d.body(block.Body, "a session", block.DefRange, sessionForm)
	known := len(d.diags) == before
	s := &Session{
		Name:                     d.name(block),
		ForEach:                  b.expr("for_each"),
		Count:                    b.expr("count"),
		Target:                   b.expr("target"),
		Provider:                 b.provider(),
		Document:                 b.expr("document"),
		Parameters:               b.expr("parameters"),
		Reason:                   b.expr("reason"),
		Kind:                     b.expr("kind"),
		Timeout:                  b.expr("timeout"),
		Env:                      b.expr("env"),
		When:                     b.expr("when"),
		After:                    b.expr("after"),
		OnDisconnect:             b.expr("on_disconnect"),
		MaxOutput:                b.expr("max_output"),
		Shell:                    b.expr("shell"),
		AllowSensitiveParameters: b.expr("allow_sensitive_parameters"),
		RequireEncryption:        b.expr("require_encryption"),
		KMSKeyID:                 b.expr("kms_key_id"),
		Helper:                   b.expr("helper"),
		DependsOn:                b.references("depends_on"),
		Range:                    block.DefRange,
	}
	b.exclusive("for_each", "count", "choose one.")
	b.duration("timeout")
	b.choice("after", "passed", "ended")
	b.choice("on_disconnect", "finish", "kill")
	b.kind()
	for _, pre := range b.all("precondition") {
		s.Preconditions = append(s.Preconditions, d.assertion(pre, "a precondition block"))
	}
	if rollout := b.one("rollout"); rollout != nil {
		s.Rollout = d.rollout(rollout)
	}
	seen := names{}
	for _, block := range b.blocks {
		if block.Type != "step" && block.Type != "finally" {
			continue
		}
		step := d.step(block, s.Document != nil || b.attrs["kind"] != nil)
		d.declare(seen, "step", step.Name, step.Range)
		if step.Finally {
			s.Finally = append(s.Finally, step)
		} else {
			s.Steps = append(s.Steps, step)
		}
	}
	if len(s.Steps) == 0 && known {
		d.complain(block.DefRange, "Session without steps", "A session needs at least one step block.")
	}
	return s
}

// kind refuses what is no kind.
func (b *body) kind() {
	value, ok := b.constant("kind")
	if !ok {
		return
	}
	rng := b.attrs["kind"].Expr.Range()
	switch value {
	case "auto", "shell", "command", "document", "port":
	default:
		b.d.complain(rng, "Invalid value", "%q is no kind of session: it is \"auto\", \"shell\", \"command\", \"document\" or \"port\".", value)
	}
}

func (d *decoder) rollout(block *hcl.Block) *Rollout {
	b := d.body(block.Body, "a rollout block", block.DefRange, form{
		attributes: "waves max_parallel max_failures pause approve_waves order on_halt",
	})
	b.duration("pause")
	b.choice("on_halt", "finish_step", "finish_job", "cancel")
	return &Rollout{
		Waves:        b.expr("waves"),
		MaxParallel:  b.expr("max_parallel"),
		MaxFailures:  b.expr("max_failures"),
		Pause:        b.expr("pause"),
		ApproveWaves: b.expr("approve_waves"),
		Order:        b.expr("order"),
		OnHalt:       b.expr("on_halt"),
		Range:        block.DefRange,
	}
}
