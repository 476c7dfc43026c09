# An audit that fails when something is wrong: nobody but root has uid 0, no
# account has an empty password, and no certificate runs out within 30 days.
# Every node is looked at, whatever the others say.

variable "days" {
  type        = number
  default     = 30
  description = "days that a certificate must still be good for"
}

targets "audited" {
  tags = { Audit = "yes" }
}

session "audit" {
  target  = targets.audited
  reason  = "quarterly account and certificate audit"
  timeout = "5m"

  rollout {
    waves        = ["100%"]
    max_failures = "100%"
  }

  step "superusers" {
    command    = "awk -F: '$3 == 0 { print $1 }' \"$${ETC:-/etc}/passwd\""
    captures   = { names = compact(split("\n", self.stdout)) }
    on_failure = "continue"
    assert {
      condition     = join(",", self.captures.names) == "root"
      error_message = "Accounts with uid 0: ${join(", ", self.captures.names)}."
    }
  }

  step "open_accounts" {
    command    = "awk -F: '$2 == \"\" { print $1 }' \"$${ETC:-/etc}/passwd\""
    on_failure = "continue"
    expect {
      stdout { empty = true }
    }
  }

  step "certificate" {
    # Seconds since 1970 at which the certificate ends, and now.
    command = <<-EOT
      end=$(cat "$${ETC:-/etc}/tls/not-after") || exit 2
      echo $(( (end - $(date +%s)) / 86400 ))
    EOT
    captures = { days = tonumber(trimspace(self.stdout)) }
    assert {
      condition     = self.captures.days >= var.days
      error_message = "The certificate is good for ${self.captures.days} days only."
    }
  }
}

check "accounts" {
  assert {
    condition     = alltrue([for t in session.audit : t.outcome == "passed"])
    error_message = "The audit found something: ${join(", ", sort([for t in session.audit : "${t.target.name} (${t.failed_step})" if t.outcome != "passed"]))}."
  }
}

output "findings" {
  description = "nodes that did not pass, and the first step that said so"
  value       = { for t in session.audit : t.target.name => t.failed_step if t.outcome != "passed" }
}
