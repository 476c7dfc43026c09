package plan

import (
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// What a step has when its author says nothing.
const (
	defaultFinallyTimeout = 30 * time.Second
	defaultRebootTimeout  = 10 * time.Minute
	defaultAttempts       = 3
	defaultDelay          = time.Second
)

// planSteps expands a session's steps and finally blocks.
func (b *builder) planSteps(s *Session) {
	labels := map[string]bool{}
	for _, decl := range steps(s.block.decl) {
		uses := usesOf(b.Evaluator, decl)
		a := attributes{scope: s.scope, problems: b.problems}
		instances, _ := a.instances(decl.ForEach, nil)
		for _, instance := range instances {
			step := b.planStep(decl, instance)
			step.uses = uses
			step.Index = len(s.Steps) + len(s.Finally)
			if labels[step.Label] {
				b.problems.errorf(decl.Range, "Two steps of one name", "This session has another step or finally block %q. Rename one of them.", step.Label)
			}
			labels[step.Label] = true
			if step.Finally {
				s.Finally = append(s.Finally, step)
			} else {
				s.Steps = append(s.Steps, step)
			}
		}
	}
}

func (b *builder) planStep(decl *hclspec.Step, instance instance) *Step {
	a := attributes{scope: instance.scope, problems: b.problems}
	step := &Step{
		Label:             decl.Name + instance.suffix(),
		Finally:           decl.Finally,
		Retry:             a.retry(decl.Retry),
		OnFailureContinue: a.oneOf("on_failure", decl.OnFailure, "stop", "continue") == "continue",
		Idempotent:        a.boolean("idempotent", decl.Idempotent, false),
		Sensitive:         a.boolean("sensitive", decl.Sensitive, false),
		Action:            actionOf(decl),
		Range:             decl.Range,
		decl:              decl,
		scope:             instance.scope,
	}
	step.Prompts = a.prompts(decl.Prompts)
	step.Terminal = a.boolean("tty", decl.TTY, step.Action.remote() && len(decl.Prompts) > 0)
	step.PromptsAnyOrder = a.oneOf("prompt_order", decl.PromptOrder, "in_turn", "any") == "any"
	if decl.When != nil {
		step.When = b.source(decl.When.Range())
	}
	var limit time.Duration
	switch {
	case step.Action == ActionReboot:
		limit = defaultRebootTimeout
	case decl.Finally:
		limit = defaultFinallyTimeout
	}
	step.Timeout = a.timeout("timeout", decl.Timeout, limit)
	return step
}

func actionOf(decl *hclspec.Step) Action {
	switch {
	case decl.Script != nil:
		return ActionScript
	case decl.Wait != nil:
		return ActionWait
	case decl.Approve != nil:
		return ActionApprove
	case decl.LocalCommand != nil:
		return ActionLocalCommand
	case decl.Reboot != nil:
		return ActionReboot
	case decl.Upload != nil:
		return ActionUpload
	case decl.Download != nil:
		return ActionDownload
	case decl.Command == nil:
		return ActionDocument
	}
	return ActionCommand
}

func (a attributes) retry(decl *hclspec.Retry) Retry {
	if decl == nil {
		return Retry{Attempts: 1}
	}
	return Retry{
		Attempts: a.whole("attempts", decl.Attempts, defaultAttempts, 1),
		Delay:    a.duration("delay", decl.Delay, defaultDelay),
		Backoff:  a.number("backoff", decl.Backoff, 1, 1),
		MaxDelay: a.timeout("max_delay", decl.MaxDelay, 0),
		Within:   a.timeout("within", decl.Within, 0),
	}
}

// hasCommand reports whether an action runs something that ends with an exit
// code.
func (a Action) hasCommand() bool {
	return a == ActionCommand || a == ActionScript || a == ActionLocalCommand
}

// remote reports whether an action needs the target's shell.
func (a Action) remote() bool { return a == ActionCommand || a == ActionScript }

// transfers reports whether an action moves files through the target's shell.
func (a Action) transfers() bool { return a == ActionUpload || a == ActionDownload }

// stepUses is what a step's expressions refer to.
type stepUses struct {
	steps    []string // names of step blocks
	sessions []string // names of session blocks
	target   bool
	text     map[string]bool // stdout, stderr: as text, by expressions
	base64   bool            // stdout_base64
	tunnel   *hclspec.Range  // where self.local_port is named first
}

func usesOf(e *Evaluator, decl *hclspec.Step) stepUses {
	uses := stepUses{text: map[string]bool{}}
	eachOfStep(decl, func(expr hclspec.Expression) {
		uses.sessions = append(uses.sessions, e.sessionsRead(expr)...)
		for _, ref := range hclspec.References(expr) {
			switch root := ref.Path[0]; {
			case root == "target":
				uses.target = true
			case root == "step" && len(ref.Path) > 1:
				uses.steps = append(uses.steps, ref.Path[1])
			case root == "step":
				uses.steps = append(uses.steps, allSteps)
			case root == "self" && len(ref.Path) == 1:
				uses.text["stdout"], uses.text["stderr"], uses.base64 = true, true, true
			case root == "self" && ref.Path[1] == "local_port":
				if uses.tunnel == nil {
					uses.tunnel = &ref.Range
				}
			case root == "self" && ref.Path[1] == "stdout_base64":
				uses.base64 = true
			case root == "self":
				uses.text[ref.Path[1]] = true
			}
		}
	})
	uses.steps = sortedSet(uses.steps)
	uses.sessions = sortedSet(uses.sessions)
	return uses
}

// allSteps stands for a reference to `step` as a whole.
const allSteps = "*"

// named returns the instances of a step block: steps and finally blocks.
func (s *Session) named(name string) []*Step {
	var list []*Step
	for _, group := range [][]*Step{s.Steps, s.Finally} {
		for _, step := range group {
			if step.decl.Name == name || name == allSteps {
				list = append(list, step)
			}
		}
	}
	return list
}
