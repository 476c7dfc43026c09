package shell

import (
	"strings"
	"testing"
)

// TestATargetWithoutDdIsRefused: sh cannot frame what a pipe holds without it, and
// an output that is not framed must not be taken for an empty one.
func TestATargetWithoutDdIsRefused(t *testing.T) {
	r := newRig(t, []string{"dash"}, agent, Options{Servers: []string{"sh"}}, "PATH="+toolsWithout(t, "dd", "perl", "python3"))
	_, err := r.Boot(t.Context())
	if err == nil || !strings.Contains(r.Screen(), "has no dd") {
		t.Errorf("got %v and %q, want a refusal that names dd", err, r.Screen())
	}
}
