package plan

import "time"

// HelperBytes is about what `helper = true` sends to a target, as it travels: a
// step server that is compressed already.
const HelperBytes = 850 << 10

// HelperTakes is how long that takes at most, before a job's first step.
func HelperTakes() time.Duration {
	return (HelperBytes * time.Second / uploadRate).Round(time.Second)
}

// checkHelper refuses what no target of a session could use.
func (b *builder) checkHelper(s *Session) {
	if !s.Helper || len(s.Jobs) == 0 {
		return
	}
	for _, job := range s.Jobs {
		if job.Kind == KindShell || job.Kind == "" {
			return
		}
	}
	b.problems.errorf(s.block.decl.Helper.Range(), "Helper without a shell session",
		"The helper runs the steps of a session of the shell kind, and %s has none: its sessions are of the %s kind. Remove \"helper\".", s.Address, s.Kind)
}
