package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var measure = flag.Bool("measure", false, "measure CPU time a session at 100 and 1,000 nodes, against a lab in a process of its own")

// measures reports whether figures are wanted. If not, the measurements are run
// in a size that shows no more than that they still work.
func measures(t *testing.T) bool {
	if !*measure {
		shareOf(t)
	}
	return *measure
}

// shareOf is called by a measurement that is run in a small size.
func shareOf(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	t.Parallel()
}

// TestMeasureCPUPerSession prints the client's CPU time for one more session:
// (user+sys at 1,000 sessions - at 100) / 900, median of five, for ws and for
// wss with TLS 1.3. The lab is another process, StartSession is signed and the
// journal is on. It is a measurement, not a test: docs/performance.md has the
// command and the figures.
func TestMeasureCPUPerSession(t *testing.T) {
	few, many, runs := 100, 1000, 5
	if !measures(t) {
		few, many, runs = 1, 10, 1
	}
	for _, tls := range []bool{false, true} {
		small, large := make([]time.Duration, runs), make([]time.Duration, runs)
		for i := range small {
			small[i] = measureApply(t, few, tls)
			large[i] = measureApply(t, many, tls)
		}
		each := make([]time.Duration, runs)
		for i := range each {
			each[i] = (large[i] - small[i]) / time.Duration(many-few)
		}
		slices.Sort(each)
		t.Logf("tls=%v: median %v a session (all: %v; %d sessions: %v; %d sessions: %v)", tls, each[len(each)/2], each, few, small, many, large)
	}
}

// measureApply runs one step on so many nodes and returns the client's CPU time.
func measureApply(t *testing.T, nodes int, tls bool) time.Duration {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "m.ssm.hcl"), `
provider "aws" {
  start_rate = 100000
}
targets "all" {
  names = ["n-*"]
}
session "m" {
  target = targets.all
  rollout {
    waves        = ["100%"]
    max_parallel = 100
  }
  step "one" {
    command = "echo $((6 * 7))"
    expect {
      stdout { equals = "42\n" }
    }
  }
}
`)
	write(t, filepath.Join(dir, "m.lab.hcl"), fmt.Sprintf("nodes \"n\" {\n  count = %d\n}\n", nodes))
	served := startLab(t, dir, tls)
	cmd := command(dir, "apply", "-auto-approve", "-no-color")
	cmd.Env = append(os.Environ(), served.environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out)))
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
