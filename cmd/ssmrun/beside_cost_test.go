//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// TestBesideSession prints what one short session costs each program, all of
// the program counted: median CPU time and peak memory.
func TestBesideSession(t *testing.T) {
	needBeside(t)
	b := newBesides(t)
	names, starts := b.programs(shellCommand("echo answered")...)
	cpu, peak := map[string][]time.Duration{}, map[string][]int{}
	for range *besideRuns {
		for _, name := range names {
			u := measured(t, starts[name](), "answered")
			cpu[name], peak[name] = append(cpu[name], u.cpu), append(peak[name], u.peak)
		}
	}
	for _, name := range names {
		t.Logf("%-22s %8v CPU, %6.1f MB peak a session (CPU of all: %v)", name,
			median(cpu[name]).Round(time.Millisecond), float64(median(peak[name]))/1024, cpu[name])
	}
}

// besideBytes is what the sender of TestBesideOutput sends.
const besideBytes = 100 << 20

// TestBesideOutput prints the client's CPU time for 100 MB from a sender that
// does not pause, over TLS, and the ratio to AWS's plugin.
func TestBesideOutput(t *testing.T) {
	needBeside(t)
	b := newBesides(t)
	script := fmt.Sprintf("yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c %d", besideBytes)
	names, starts := b.programs(shellCommand(script)...)
	names = append(names, "ssmrun apply")
	delete(starts, "AWS CLI and plugin")
	cpu := map[string][]time.Duration{}
	for range *besideRuns {
		for _, name := range names {
			start, ok := starts[name]
			switch {
			case name == "ssmrun apply":
				cpu[name] = append(cpu[name], b.applyOutput(script))
				continue
			case !ok:
				continue
			}
			u := measured(t, start(), "0123")
			if u.stdout < besideBytes || u.stdout > besideBytes+1024 {
				t.Errorf("%s: %d bytes came, want %d", name, u.stdout, besideBytes)
			}
			cpu[name] = append(cpu[name], u.cpu)
		}
	}
	for _, name := range names {
		if len(cpu[name]) == 0 {
			continue
		}
		ratio := ""
		if plugin := cpu["plugin"]; len(plugin) > 0 {
			ratio = fmt.Sprintf(", %.3f of the plugin's", median(cpu[name]).Seconds()/median(plugin).Seconds())
		}
		t.Logf("%-22s %8v CPU for %d MiB%s (all: %v)", name, median(cpu[name]).Round(time.Millisecond), besideBytes>>20, ratio, cpu[name])
	}
}

// applyOutput is the CPU time of a run whose one step prints it all; it is
// written to a file as far as max_output lets it.
func (b *besides) applyOutput(script string) time.Duration {
	b.t.Helper()
	dir := b.t.TempDir()
	write(b.t, filepath.Join(dir, "m.ssm.hcl"), fmt.Sprintf(`
session "m" {
  target = %q
  kind   = "command"
  step "one" {
    command = %q
  }
}
`, b.target, script))
	cmd := command(dir, "apply", "-auto-approve", "-no-color")
	cmd.Env = b.env
	return measured(b.t, cmd, "m.one").cpu
}
