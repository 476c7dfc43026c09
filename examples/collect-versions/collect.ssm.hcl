# Collect facts and logs from every node: the versions go into outputs, the logs
# into the run directory, one plain file a node.

variable "log" {
  type        = string
  default     = "app.log"
  description = "log file, relative to the home directory"
}

locals {
  tools = {
    shell = "readlink -f /bin/sh"
    awk   = "command -v awk"
    perl  = "perl -e 'print $^V' 2>/dev/null || true"
  }
}

targets "all" {
  names = ["app-*"]
}

session "collect" {
  target  = targets.all
  reason  = "collect versions and logs"
  timeout = "10m"

  step "kernel" {
    command  = ["uname", "-r"]
    captures = { release = trimspace(self.stdout) }
  }

  step "tool" {
    for_each = local.tools
    command  = each.value
    captures = { found = trimspace(self.stdout) }
  }

  step "release" {
    command  = "cat \"$HOME/release\""
    captures = { version = regex("version=(\\S+)", self.stdout)[0] }
  }

  step "log" {
    command = "tail -n 1000 \"$HOME/$LOG\""
    env     = { LOG = var.log }
  }

  step "errors" {
    command = "grep -c ERROR \"$HOME/$LOG\" || true"
    env     = { LOG = var.log }
    expect {
      stdout { matches = "^[0-9]+\n$" }
    }
    captures = { count = tonumber(trimspace(self.stdout)) }
  }
}

output "releases" {
  description = "application version of every node"
  value       = { for id, t in session.collect : t.target.name => t.step.release.captures.version }
}

output "versions" {
  description = "how many nodes run each version"
  value = {
    for v in distinct([for t in session.collect : t.step.release.captures.version]) :
    v => length([for t in session.collect : t if t.step.release.captures.version == v])
  }
}

output "errors" {
  description = "lines with ERROR, all nodes together"
  value       = sum([for t in session.collect : t.step.errors.captures.count])
}
