//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var besideMany = flag.Int("beside.many", 10_000, "how many sessions TestBesideMany opens at once")

// TestBesideMany prints what so many sessions that are open at once take of one
// client process: memory, descriptors and threads, over TLS. The few sessions
// before tell what the process needs without them.
func TestBesideMany(t *testing.T) {
	many := *besideMany
	if !*beside {
		many = 30
		shareOf(t)
	}
	few := many / 10
	less, more := openAtOnce(t, few), openAtOnce(t, many)
	for n, m := range map[int]footprint{few: less, many: more} {
		t.Logf("%6d sessions: %v", n, m)
	}
	t.Logf("one more session: %.1f KiB and %.3f descriptors", float64(more.rss-less.rss)/float64(many-few),
		float64(more.descriptors-less.descriptors)/float64(many-few))
}

// footprint is what a process has of the machine.
type footprint struct {
	rss, peak, descriptors, threads int // in KiB the first two
	cpu                             time.Duration
}

func (f footprint) String() string {
	return fmt.Sprintf("%.1f MiB, at most %.1f MiB, %d descriptors, %d threads; %v CPU in all",
		float64(f.rss)/1024, float64(f.peak)/1024, f.descriptors, f.threads, f.cpu.Round(time.Millisecond))
}

func footprintOf(t testing.TB, pid int) (f footprint) {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	f.descriptors, f.threads = len(open), len(threads)
	f.rss, _ = statusKiB(pid, "VmRSS")
	f.peak, _ = statusKiB(pid, "VmHWM")
	return f
}

// labsOfMany is how many labs the nodes are spread over, a provider each: a lab has
// five descriptors for a session that runs, and 20,000 is a usual limit.
const labsOfMany = 3

// openAtOnce runs one long step on so many nodes until all run.
func openAtOnce(t *testing.T, nodes int) footprint {
	t.Helper()
	dir := t.TempDir()
	var profiles, authorities, runbook strings.Builder
	for i := range labsOfMany {
		share := nodes / labsOfMany
		if i == 0 {
			share = nodes - share*(labsOfMany-1)
		}
		at := t.TempDir()
		write(t, filepath.Join(at, "m.lab.hcl"), fmt.Sprintf(manyNodes, i, share))
		served := startLab(t, at, true)
		fmt.Fprintf(&profiles, "[profile lab%d]\nregion = us-east-1\nendpoint_url = %s\naws_access_key_id = %s\naws_secret_access_key = %s\n", i,
			served.setting("AWS_ENDPOINT_URL"), served.setting("AWS_ACCESS_KEY_ID"), served.setting("AWS_SECRET_ACCESS_KEY"))
		authority, err := os.ReadFile(served.setting("AWS_CA_BUNDLE"))
		if err != nil {
			t.Fatal(err)
		}
		authorities.Write(authority)
		fmt.Fprintf(&runbook, manySessions, i, share)
	}
	write(t, filepath.Join(dir, "m.ssm.hcl"), runbook.String())
	write(t, filepath.Join(dir, "config"), profiles.String())
	write(t, filepath.Join(dir, "ca.pem"), authorities.String())
	cmd := command(dir, "apply", "-auto-approve", "-json", fmt.Sprintf("-parallelism=%d", nodes))
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE="+filepath.Join(dir, "config"), "AWS_CA_BUNDLE="+filepath.Join(dir, "ca.pem"),
		"AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_PROFILE=lab0", "AWS_EC2_METADATA_DISABLED=true")
	stdout, stderr := started(t, cmd)
	defer cmd.Process.Kill()
	var f footprint
	ready := 0
	last := ""
	err := events(stdout, func(e logged) {
		last = e.Text
		switch e.Type {
		case "session_ready":
			ready++
		case "job_complete": // none ends by itself
			cmd.Process.Kill()
		}
		if ready == nodes && f.rss == 0 {
			f = footprintOf(t, cmd.Process.Pid)
			cmd.Process.Kill()
		}
	})
	if err != nil && ready < nodes {
		t.Error(err)
	}
	cmd.Wait()
	if ready < nodes {
		t.Fatalf("%d of %d sessions were ready: %s: %s", ready, nodes, last, tail(stderr.String()))
	}
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return f
}

// manyNodes is a lab whose commands are one small process each: a node's own sh is
// found before the system's. The client sees a command that is not over yet.
const manyNodes = `
nodes "n%d" {
  count = %d
  files = { "bin/sh" = "#!/bin/sh\nexec sleep 3600\n" }
}
`

// manySessions is the part of a runbook that is for one lab.
const manySessions = `
provider "aws" {
  alias      = "lab%[1]d"
  profile    = "lab%[1]d"
  start_rate = 50
}
targets "t%[1]d" {
  provider = aws.lab%[1]d
  names    = ["n%[1]d-*"]
}
session "m%[1]d" {
  target = targets.t%[1]d
  kind   = "command"
  rollout {
    waves        = ["100%%"]
    max_parallel = %[2]d
  }
  step "one" {
    command = ["sleep", "3600"]
  }
}
`
