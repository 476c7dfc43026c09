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
  start_rate = 2 # StartSession per second; AWS allows 3 per account and region, people included
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

variable "profile" {
  type    = string
  default = null
}

variable "role" {
  type    = string
  default = "arn:aws:iam::123456789012:role/ops"
}
