# A patch window: see what is installed, update it where it is old, prove that the
# wanted version is there, and restart only what was touched.

variable "package" {
  type    = string
  default = "openssl"
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.+-]+$", var.package))
    error_message = "That is not a package name."
  }
}

variable "wanted" {
  type        = string
  default     = "3.2.2"
  description = "version that every node must have afterwards"
}

targets "patch_group" {
  tags     = { PatchGroup = "linux-a" }
  platform = "Linux"
}

session "patch" {
  target  = targets.patch_group
  reason  = "patch ${var.package} to ${var.wanted}"
  timeout = "30m"

  rollout {
    waves        = [1, "50%", "100%"]
    max_failures = 0
  }

  step "before" {
    command  = ["rpm", "-q", "--qf", "%%{VERSION}", var.package]
    captures = { version = self.stdout }
  }

  step "update" {
    when    = step.before.captures.version != var.wanted
    command = ["sudo", "dnf", "-y", "-q", "update", var.package]
    timeout = "15m"
  }

  step "verify" {
    command = ["rpm", "-q", "--qf", "%%{VERSION}", var.package]
    expect {
      stdout { equals = var.wanted }
    }
    captures = { version = self.stdout }
  }

  step "restart" {
    when    = step.update.outcome == "passed"
    command = ["sudo", "systemctl", "restart", "nginx"]
  }
}

check "one_version" {
  assert {
    condition     = length(distinct([for t in session.patch : t.step.verify.captures.version if t.outcome == "passed"])) == 1
    error_message = "The fleet has more than one version of ${var.package}."
  }
}

output "updated" {
  description = "nodes that were updated now, and what they had before"
  value = {
    for id, t in session.patch : t.target.name => t.step.before.captures.version
    if t.step.update.outcome == "passed"
  }
}
