package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// restartRunbook uses most of the language.
const restartRunbook = `
ssmrun {
  required_version = ">= 0.1"
}

provider "aws" {
  region  = "eu-west-1"
  profile = var.profile
  assume_role {
    role_arn     = var.role
    session_name = "ssmrun"
  }
  start_rate = 2
}

variable "profile" {
  type    = string
  default = "ops"
}

variable "role" {
  type    = string
  default = "arn:aws:iam::123456789012:role/ops"
}

variable "service" {
  type        = string
  default     = "nginx"
  description = "systemd unit to restart"
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.service))
    error_message = "A unit name has lower-case letters, digits and dashes."
  }
}

locals {
  change = "CHG-4711"
}

targets "web" {
  provider = aws
  tags     = { Role = "web", Env = ["prod", "stage"] }
  platform = "Linux"
  exclude  = ["i-0123456789abcdef0"]
  guard {
    min = 1
    max = 200
  }
}

session "restart" {
  target  = targets.web
  reason  = "${local.change}: restart ${var.service}"
  timeout = "10m"
  env     = { LC_ALL = "C" }

  rollout {
    waves         = [1, "10%", "100%"]
    max_parallel  = 50
    max_failures  = "5%"
    pause         = "30s"
    approve_waves = false
  }

  step "before" {
    command = ["systemctl", "is-active", var.service]
    expect {
      exit_code = [0, 3]
    }
    captures = { state = trimspace(self.stdout) }
  }

  step "restart" {
    when    = step.before.captures.state == "active"
    command = "sudo systemctl restart ${shellquote(var.service)}"
    timeout = "60s"
  }

  step "healthy" {
    command = ["curl", "-fsS", "http://localhost/healthz"]
    retry {
      attempts = 10
      delay    = "2s"
      backoff  = 1.5
    }
    expect {
      stdout { contains = "ok" }
      stdout { matches = "version=\\S+" }
      within = "2s"
    }
    captures = { version = regex("version=(\\S+)", self.stdout)[0] }
  }

  finally "log" {
    command = ["logger", "-t", "ssmrun", "${run.id} ${job.outcome}"]
  }
}

check "one_version" {
  assert {
    condition     = length(distinct([for t in session.restart : t.step.healthy.captures.version if t.outcome == "passed"])) == 1
    error_message = "The fleet runs more than one version."
  }
}

output "versions" {
  value = { for id, t in session.restart : id => t.step.healthy.captures.version if t.outcome == "passed" }
}
`

func prodWebs(t testing.TB, n int) *bench {
	b := newBench(t, n)
	for i := range b.nodes {
		b.nodes[i].Tags["Env"] = []string{"prod", "stage"}[i%2]
	}
	return b
}

func TestExamplePlansAsDesigned(t *testing.T) {
	b := prodWebs(t, 25)
	b.nodes[7].Online = false
	p := b.plan(restartRunbook)

	if diff := cmp.Diff([]Provider{{
		Key: "aws", Region: "eu-west-1", Profile: "ops", RoleARN: "arn:aws:iam::123456789012:role/ops",
		RoleSessionName: "ssmrun", StartRate: 2, SignDataChannel: "auto",
	}}, p.Providers); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	s := p.Sessions[0]
	if diff := cmp.Diff(Rollout{
		Waves: []int{1, 3, 25}, MaxParallel: 50, MaxFailures: 1, Pause: 30 * time.Second, OnHalt: "finish_step",
	}, s.Rollout); diff != "" {
		t.Errorf("rollout (-want +got):\n%s", diff)
	}
	if s.Address != "session.restart" || s.Kind != KindShell || s.Reason != "CHG-4711: restart nginx" || s.Timeout != 10*time.Minute {
		t.Errorf("session %s %s %q %s", s.Address, s.Kind, s.Reason, s.Timeout)
	}
	if job := s.Jobs[7]; job.Target.Online || job.Wave != 2 || job.Address != `session.restart["i-00000000000000008"]` {
		t.Errorf("job of the offline node: %+v", job)
	}
	var previews []string
	for _, step := range append(s.Steps, s.Finally...) {
		previews = append(previews, p.Preview(s.Jobs[0], step))
	}
	if diff := cmp.Diff([]string{
		"systemctl is-active nginx",
		"sudo systemctl restart nginx",
		"curl -fsS http://localhost/healthz",
		"logger -t ssmrun '(known at run) (known after step)'",
	}, previews); diff != "" {
		t.Errorf("previews (-want +got):\n%s", diff)
	}
	retry := s.Steps[2].Retry
	if retry.DelayBefore(1) != 0 || retry.DelayBefore(2) != 2*time.Second || retry.DelayBefore(4) != 4500*time.Millisecond {
		t.Errorf("delays %s %s %s", retry.DelayBefore(1), retry.DelayBefore(2), retry.DelayBefore(4))
	}
	if got := s.Finally[0].Timeout; got != 30*time.Second {
		t.Errorf("finally timeout %s", got)
	}
}

func TestExampleRuns(t *testing.T) {
	b := prodWebs(t, 3)
	r := b.run(b.plan(restartRunbook))
	s := r.session("restart")

	start, diags := r.plan.PrepareJob(s.Jobs[0], r.facts)
	if diags.HasErrors() || start.Skip || start.Reason != "CHG-4711: restart nginx" {
		t.Fatalf("start %+v\n%s", start, report(diags))
	}
	for i, job := range s.Jobs {
		before := r.work(job, "before")
		if string(before.Script) != "systemctl is-active nginx" || before.Shell != "sh" {
			t.Errorf("before %q in %q", before.Script, before.Shell)
		}
		if diff := cmp.Diff([]EnvVar{{"LC_ALL", "C"}}, before.Env); diff != "" {
			t.Errorf("env (-want +got):\n%s", diff)
		}
		state, code := "active\n", 0
		if i == 1 {
			state, code = "inactive\n", 3
		}
		wantOutcome(t, r.judge(job, "before", state, code), outcome.Passed)
		restart := r.work(job, "restart")
		if restart.Skip != (i == 1) {
			t.Errorf("job %d: skip %v", i, restart.Skip)
		}
		if restart.Skip {
			if restart.Why != `step.before.captures.state == "active" is false` {
				t.Errorf("why %q", restart.Why)
			}
			r.job(job).Steps["restart"] = &StepFacts{Outcome: outcome.Skipped}
		} else {
			wantOutcome(t, r.judge(job, "restart", "", 0), outcome.Passed)
		}
		text := "ok version=1.2." + string(rune('0'+i)) + "\n"
		if i == 2 {
			text = "starting\n"
		}
		v := r.judge(job, "healthy", text, 0)
		if i == 2 {
			wantOutcome(t, v, outcome.Failed)
			if !v.Retry {
				t.Error("no retry after the first attempt of ten")
			}
		}
		log := r.work(job, "log")
		want := "logger -t ssmrun '20260102T030405Z-abcd passed'"
		if i == 2 {
			want = strings.Replace(want, "passed", "failed", 1)
		}
		if string(log.Script) != want {
			t.Errorf("finally %q, want %q", log.Script, want)
		}
		r.end(job)
	}

	c := r.plan.Conclude(r.facts)
	if len(c.Diagnostics) > 0 {
		t.Errorf("diagnostics:\n%s", report(c.Diagnostics))
	}
	if c.Checks[0].Outcome != outcome.Failed || c.Checks[0].Message != "The fleet runs more than one version." {
		t.Errorf("check %+v", c.Checks[0])
	}
	got := c.Outputs["versions"].Value.decode()
	want := cty.ObjectVal(map[string]cty.Value{
		"i-00000000000000001": cty.StringVal("1.2.0"), "i-00000000000000002": cty.StringVal("1.2.1"),
	})
	if !got.RawEquals(want) {
		t.Errorf("output %#v, want %#v", got, want)
	}
}
