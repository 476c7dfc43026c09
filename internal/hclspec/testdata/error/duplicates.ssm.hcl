ssmrun {}
ssmrun {} # ERROR: Duplicate ssmrun block

variable "a" {
  default = 1
}

variable "a" { # ERROR: Duplicate variable
  default = 2
}

locals {
  x = 1
}

locals {
  x = 2 # ERROR: Duplicate local value
}

targets "t" {
  ids = ["i-0123456789abcdef0"]
}

targets "t" { # ERROR: Duplicate targets block
  ids = ["i-0123456789abcdef0"]
}

provider "aws" {}
provider "aws" {} # ERROR: Duplicate provider

session "s" {
  target = targets.t
  rollout {}
  rollout {} # ERROR: Duplicate rollout block

  step "x" {
    command = ["true"]
    expect {}
    expect {} # ERROR: Duplicate expect block
    captures = {
      v = self.stdout
      v = self.stderr # ERROR: Duplicate capture
    }
  }
  step "x" { # ERROR: Duplicate step
    command = ["true"]
  }
  finally "x" { # ERROR: Duplicate step
    command = ["true"]
  }
}

session "s" { # ERROR: Duplicate session
  target = targets.t
  step "x" {
    command = ["true"]
  }
}

check "c" {
  assert {
    condition     = true
    error_message = "m"
  }
}

check "c" { # ERROR: Duplicate check
  assert {
    condition     = true
    error_message = "m"
  }
}

output "o" {
  value = 1
}

output "o" { # ERROR: Duplicate output
  value = 1
}
