package plan

import "github.com/ssmrun/ssmrun/internal/hclspec"

// eachExpression visits every expression of a runbook that may look into a
// target, but for the target attribute of sessions, which chooses whole ones.
func eachExpression(rb *hclspec.Runbook, visit func(hclspec.Expression)) {
	for _, local := range rb.Locals {
		visit(local.Expr)
	}
	for _, s := range rb.Sessions {
		eachOfSession(s, visit)
		for _, step := range steps(s) {
			eachOfStep(step, visit)
		}
	}
	for _, check := range rb.Checks {
		eachOfAssertions(check.Asserts, visit)
	}
	for _, output := range rb.Outputs {
		visit(output.Value)
	}
}

// steps returns a session's steps and finally blocks, in the order of running.
func steps(s *hclspec.Session) []*hclspec.Step {
	all := make([]*hclspec.Step, 0, len(s.Steps)+len(s.Finally))
	return append(append(all, s.Steps...), s.Finally...)
}

// eachOfSession visits the expressions of a session block, without its target
// and its steps. Absent ones are nil.
func eachOfSession(s *hclspec.Session, visit func(hclspec.Expression)) {
	for _, expr := range []hclspec.Expression{
		s.ForEach, s.Count, s.Document, s.Parameters, s.Reason, s.Kind, s.Timeout, s.Env, s.When, s.After,
		s.OnDisconnect, s.MaxOutput, s.Shell, s.AllowSensitiveParameters,
		s.RequireEncryption, s.KMSKeyID, s.Helper,
	} {
		visit(expr)
	}
	eachOfAssertions(s.Preconditions, visit)
	if r := s.Rollout; r != nil {
		for _, expr := range []hclspec.Expression{r.Waves, r.MaxParallel, r.MaxFailures, r.Pause, r.ApproveWaves, r.Order, r.OnHalt} {
			visit(expr)
		}
	}
}

func eachOfStep(s *hclspec.Step, visit func(hclspec.Expression)) {
	for _, expr := range []hclspec.Expression{
		s.ForEach, s.Command, s.Script, s.Args, s.Wait, s.Approve, s.LocalCommand, s.When, s.Timeout, s.Env, s.Dir,
		s.User, s.Stdin, s.Shell, s.OnFailure, s.Idempotent, s.Sensitive, s.TTY, s.PromptOrder,
	} {
		visit(expr)
	}
	if s.Reboot != nil {
		visit(s.Reboot.Command)
	}
	for _, t := range []*hclspec.Transfer{s.Upload, s.Download} {
		if t != nil {
			for _, expr := range []hclspec.Expression{t.Source, t.Destination, t.Mode, t.Owner, t.Replace} {
				visit(expr)
			}
		}
	}
	for _, p := range s.Prompts {
		for _, expr := range []hclspec.Expression{p.Match, p.Answer, p.Timeout, p.Optional, p.Repeat, p.Enter} {
			visit(expr)
		}
	}
	if x := s.Expect; x != nil {
		visit(x.ExitCode)
		visit(x.Within)
		for _, block := range append(append([]*hclspec.StreamExpect{}, x.Stdout...), x.Stderr...) {
			for _, test := range block.Tests {
				visit(test.Expr)
			}
		}
	}
	eachOfAssertions(s.Asserts, visit)
	for _, capture := range s.Captures {
		visit(capture.Expr)
	}
	if r := s.Retry; r != nil {
		for _, expr := range []hclspec.Expression{r.Attempts, r.Delay, r.Backoff, r.MaxDelay, r.Within, r.Until} {
			visit(expr)
		}
	}
}

func eachOfAssertions(list []*hclspec.Assertion, visit func(hclspec.Expression)) {
	for _, assertion := range list {
		visit(assertion.Condition)
		visit(assertion.ErrorMessage)
	}
}
