# Replace a configuration file on every node: keep the old one here, upload the
# new one, and answer what the vendor's tool asks before it reloads. One canary
# first.

variable "file" {
  type        = string
  default     = "etc/shop.conf"
  description = "the file to replace, relative to the home directory"
}

variable "token" {
  type        = string
  default     = "only-for-the-lab"
  sensitive   = true
  description = "operator token that shopctl asks for; set SSMRUN_VAR_token"
}

targets "shop" {
  tags = { Role = "shop" }
}

session "config" {
  target  = targets.shop
  reason  = "roll out shop.conf"
  timeout = "10m"

  rollout {
    waves        = [1, "100%"]
    max_failures = 0
  }

  step "home" {
    command  = "printf %s \"$HOME\""
    captures = { path = self.stdout }
  }

  step "keep" {
    download {
      source      = "${step.home.captures.path}/${var.file}"
      destination = "before/${target.name}.conf"
    }
    captures = { sha256 = self.sha256 }
  }

  step "upload" {
    upload {
      source      = "files/shop.conf"
      destination = "${step.home.captures.path}/${var.file}"
      mode        = "0640"
    }
    captures = { sha256 = self.sha256 }
  }

  step "reload" {
    when    = step.keep.captures.sha256 != step.upload.captures.sha256
    command = "\"$HOME/bin/shopctl\" reload"
    timeout = "60s"
    prompt {
      match  = "Operator token: $"
      answer = var.token
    }
    prompt {
      match  = "\\[y/N\\]\\? $"
      answer = "y"
    }
    expect {
      stdout { contains = "reloaded" }
    }
  }

  step "workers" {
    command = "\"$HOME/bin/shopctl\" workers"
    expect {
      stdout { matches = "^8\n$" }
    }
  }
}

output "uploaded" {
  description = "checksum of what every node has now"
  value       = { for id, t in session.config : t.target.name => t.step.upload.captures.sha256 }
}
