# Make room on nodes that need it: measure, clean only where the limit is passed,
# measure again, and say how much was freed.

variable "limit_kb" {
  type        = number
  default     = 20
  description = "clean nodes whose cache directory is larger than this, in KiB"
}

variable "cache" {
  type        = string
  default     = "cache"
  description = "directory to clean, relative to the home directory"
}

targets "workers" {
  tags = { Role = "worker*" }
}

session "cleanup" {
  target  = targets.workers
  reason  = "disk clean-up above ${var.limit_kb} KiB"
  timeout = "10m"
  env     = { CACHE = var.cache }

  step "used" {
    command  = "du -sk \"$HOME/$CACHE\" | cut -f1"
    captures = { kb = tonumber(trimspace(self.stdout)) }
  }

  step "clean" {
    when    = step.used.captures.kb > var.limit_kb
    command = "find \"$HOME/$CACHE\" -type f -name '*.tmp' -print -delete"
    timeout = "5m"
    expect {
      stdout { not_empty = true }
    }
  }

  step "left" {
    command  = "du -sk \"$HOME/$CACHE\" | cut -f1"
    captures = { kb = tonumber(trimspace(self.stdout)) }
    assert {
      condition     = self.captures.kb <= var.limit_kb
      error_message = "${self.captures.kb} KiB are still in use: the limit is ${var.limit_kb}."
    }
  }
}

output "cleaned" {
  description = "nodes that were over the limit"
  value       = sort([for t in session.cleanup : t.target.name if t.step.clean.outcome == "passed"])
}
