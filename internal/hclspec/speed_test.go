package hclspec

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLoadThousandSessions is what validate costs before it evaluates.
func BenchmarkLoadThousandSessions(b *testing.B) {
	var src strings.Builder
	src.WriteString("variable \"x\" {\n  default = \"x\"\n}\ntargets \"t\" {\n  names = [\"*\"]\n}\n")
	for i := range 1000 {
		fmt.Fprintf(&src, "session \"s%d\" {\n  target = targets.t\n  reason = \"run ${var.x}\"\n", i)
		for j := range 5 {
			fmt.Fprintf(&src, "  step \"p%d\" {\n    command  = [\"echo\", var.x, target.id]\n    captures = { out = trimspace(self.stdout) }\n    expect {\n      stdout { contains = var.x }\n    }\n  }\n", j)
		}
		src.WriteString("}\n")
	}
	for b.Loop() {
		if _, diags := loadSources(map[string]string{"main.ssm.hcl": src.String()}); len(diags) > 0 {
			b.Fatal(diags)
		}
	}
}
