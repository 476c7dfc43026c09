# Restart a service across the fleet: one canary, then a quarter, then the rest.
# A node has to answer its health check before its job passes, and the rollout
# halts when more than one node does not come back.

variable "service" {
  type        = string
  default     = "nginx"
  description = "systemd unit to restart"
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.service))
    error_message = "A unit name has lower-case letters, digits and dashes."
  }
}

variable "change" {
  type        = string
  default     = "CHG-4711"
  description = "the change this restart belongs to; AWS keeps it as the sessions' reason"
}

targets "web" {
  tags     = { Role = "web", Env = ["prod", "stage"] }
  platform = "Linux"
  guard {
    min = 4
    max = 200
  }
}

session "restart" {
  target  = targets.web
  reason  = "${var.change}: restart ${var.service}"
  timeout = "10m"
  env     = { LC_ALL = "C" }

  rollout {
    waves        = [1, "25%", "100%"]
    max_parallel = 50
    max_failures = 1
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
    command = ["systemctl", "is-active", var.service]
    retry {
      attempts = 10
      delay    = "500ms"
      backoff  = 1.5
    }
    expect {
      stdout { equals = "active\n" }
      within = "5s"
    }
  }

  finally "log" {
    command = ["logger", "-t", "ssmrun", "${run.id} ${var.service}: ${job.outcome}"]
  }
}

check "all_restarted" {
  assert {
    condition     = alltrue([for id, t in session.restart : t.step.restart.outcome == "passed"])
    error_message = "Some nodes were left as they were, because ${var.service} was not running there."
  }
}

output "restarted" {
  value = sort([for id, t in session.restart : t.target.name if t.outcome == "passed"])
}
