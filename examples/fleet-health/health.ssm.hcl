# Is the fleet well? Disk, memory, clock and the service, on every node of one
# environment. It changes nothing, so it may run at any time.

ssmrun {
  required_version = ">= 0.1"
}

variable "env" {
  type        = string
  default     = "prod"
  description = "the Env tag of the nodes to look at"
}

variable "service" {
  type        = string
  default     = "nginx"
  description = "systemd unit that must be active"
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.service))
    error_message = "A unit name has lower-case letters, digits and dashes."
  }
}

variable "max_disk" {
  type        = number
  default     = 100
  description = "percent of the root file system that may be used"
}

targets "fleet" {
  tags = { Env = var.env }
}

session "health" {
  target  = targets.fleet
  reason  = "health check of ${var.env}"
  timeout = "5m"

  rollout {
    waves        = ["100%"]
    max_failures = "100%"
  }

  step "disk" {
    command  = "df -P / | awk 'NR == 2 { print $5 + 0 }'"
    captures = { used = tonumber(trimspace(self.stdout)) }
    assert {
      condition     = self.captures.used <= var.max_disk
      error_message = "The root file system is ${self.captures.used} % full."
    }
    on_failure = "continue"
  }

  step "memory" {
    command  = "awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo"
    captures = { free_mb = tonumber(trimspace(self.stdout)) }
    assert {
      condition     = self.captures.free_mb > 16
      error_message = "Only ${self.captures.free_mb} MB of memory are available."
    }
    on_failure = "continue"
  }

  step "clock" {
    command = ["date", "-u", "+%Y"]
    expect {
      stdout { matches = "^20[2-9][0-9]\n$" }
    }
    on_failure = "continue"
  }

  step "service" {
    command = ["systemctl", "is-active", var.service]
    expect {
      stdout { equals = "active\n" }
    }
  }
}

output "healthy" {
  description = "nodes on which every step passed"
  value       = sort([for id, t in session.health : t.target.name if t.outcome == "passed"])
}

output "unhealthy" {
  description = "nodes that need somebody, and the step that said so"
  value       = { for id, t in session.health : t.target.name => t.failed_step if t.outcome != "passed" }
}
