variable "service" {
  default = "nginx"
}

provider "aws" {
  alias    = "r"
  for_each = toset(["eu-west-1"])
  region   = each.key
}

provider "aws" {
  region = targets.web # ERROR: Name not allowed here
}

locals {
  nodes = keys(targets.web)
  more  = local.nodes
  later = session.a # ERROR: Name not allowed here
}

targets "web" {
  names   = ["web-*"]
  exclude = local.more     # ERROR: Name not allowed here
  ids     = targets.other  # ERROR: Name not allowed here
}

session "a" {
  target = targets.web
  reason = "restart ${var.sevrice}" # ERROR: No such variable
  env    = { ID = target.idd }      # ERROR: No such attribute
  when   = target.platform == "Linux"

  rollout {
    waves = [target.id] # ERROR: Name not allowed here
  }

  step "one" {
    command  = ["echo", step.two.exit_code] # ERROR: Step has not run yet
    env      = { SELF = self.stdout }       # ERROR: Name not allowed here
    when     = job.outcome == "passed"      # ERROR: Name not allowed here
    timeout  = "${count.index}s"            # ERROR: Name not allowed here
    captures = {
      v = self.captures.w # ERROR: Captures are not there yet
    }
    assert {
      condition     = self.captures.w == "x" # ERROR: No such attribute
      error_message = "no"
    }
    retry {
      attempts = target.id        # ERROR: Name not allowed here
      until    = self.exit_cod == 0 # ERROR: No such attribute
    }
  }

  step "two" {
    command = ["echo", step.one.captures.v, step.one.captures.nope] # ERROR: No such attribute
    stdin   = step.two.outcome # ERROR: Step refers to itself
    dir     = step.on.outcome  # ERROR: No such step
    user    = step             # ERROR: Incomplete reference
  }

  step "each" {
    for_each = { a = 1 }
    command  = ["echo", each.key, each.vlaue] # ERROR: No such attribute
  }

  step "after_each" {
    command = ["echo", step.each.outcome]     # ERROR: Step with for_each
    stdin   = step.each["a"].outcome
    dir     = step.each["a"].outcom # ERROR: No such attribute
  }

  finally "log" {
    command = ["echo", job.outcome, job.failed_step, run.id, step.one.outcome]
  }
}

session "b" {
  target   = session.b  # ERROR: Session refers to itself
  document = target.id  # ERROR: Name not allowed here
  timeout  = run.id     # ERROR: Name not allowed here
  reason   = session.a["i-0123456789abcdef0"].step.one.captures.v
  provider = aws.r      # ERROR: Provider without key
  step "x" {
    command = ["echo", session.a["i-0"].outcom]      # ERROR: No such attribute
    env     = { A = session.a["i-0"].step.tow }      # ERROR: No such attribute
    stdin   = session.missing                        # ERROR: No such session
    dir     = local.missing                          # ERROR: No such local value
    user    = targets.missing                        # ERROR: No such targets block
    shell   = service                                # ERROR: No such name
    when    = module.x                               # ERROR: Not supported in this version
  }
}

session "c" {
  provider = aws.unknown # ERROR: No such provider
  target   = each.key    # ERROR: Name not allowed here
  step "x" {
    command = ["true"]
  }
}

check "c" {
  assert {
    condition     = target.id == "" # ERROR: Name not allowed here
    error_message = step.x.outcome  # ERROR: Name not allowed here
  }
}

output "o" {
  value = self.stdout # ERROR: Name not allowed here
}
