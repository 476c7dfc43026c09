ssmrun {
  required_version = "~> 0.1, != 0.1.3"
}

provider "aws" {
  alias             = "r"
  for_each          = toset(["eu-west-1", "eu-north-1"])
  region            = each.key
  sign_data_channel = "auto"
}

locals {
  ids     = keys(targets.by_id)
  words   = { for k, v in var.groups : upper(k) => v... }
  curl    = "curl -w '%%{http_code}' $${URL:-http://localhost}/ | awk '{print $1}'"
  chained = local.words
}

variable "groups" {
  type = map(object({
    size = optional(number, 3)
    tags = optional(map(string), {})
  }))
  default = { a = {} }
}

variable "token" {
  type      = string
  sensitive = true
  ephemeral = true
}

targets "by_id" {
  ids = ["i-0123456789abcdef0"]
}

targets "region" {
  for_each = toset(["eu-west-1", "eu-north-1"])
  provider = aws.r[each.key]
  names    = ["${each.key}-*"]
  online   = true
}

session "one" {
  for_each   = toset(["eu-west-1"])
  target     = targets.region[each.key]
  provider   = aws.r["eu-west-1"]
  kind       = "command"
  parameters = { id = [target.id] }
  env        = { TARGET = target.name, KEY = each.key }
  when       = target.tags["Env"] == "prod"
  precondition {
    condition     = length(local.ids) > 0
    error_message = "There are no targets for ${target.id}."
  }

  step "each" {
    for_each = var.groups
    command  = ["echo", each.key, each.value.size]
    stdin    = var.token
    captures = { "out-1" = trimspace(self.stdout) }
  }

  step "uses" {
    command = [for k, v in step.each : v.captures["out-1"]]
    env     = { FIRST = step.each["a"].captures.out-1, ALL = jsonencode(values(step.each)[*].outcome) }
    expect {
      exit_code = "any"
      stdout {
        not_empty = true
        json      = "a == `1`"
      }
      stderr { empty = true }
    }
    retry {
      until = self.exit_code == 0 && self.captures == {}
    }
  }

  step "file" {
    script     = "scripts/${target.platform}.sh"
    args       = [run.id, target.ip]
    idempotent = true
    sensitive  = true
    on_failure = "continue"
  }

  step "hold" {
    wait = "30s"
  }

  step "ask" {
    approve = "Go on with ${target.name}?"
  }

  step "here" {
    local_command = ["echo", step.file.outcome]
  }

  finally "first" {
    command = ["echo", job.outcome]
  }

  finally "second" {
    command = ["echo", step.first.exit_code, job.failed_step]
  }
}

session "two" {
  target     = [targets.by_id, "i-0123456789abcdef1"]
  after      = "ended"
  depends_on = [session.one]
  reason     = "after ${length(session.one["eu-west-1"])}"
  step "x" {
    command = "echo ${shellquote(session.one["eu-west-1"]["i-0123456789abcdef0"].step.each["a"].captures["out-1"])}"
  }
}

output "o" {
  value = { for id, t in session.two : id => t.step.x.outcome }
}
