ssmrun {
  required_version = ">= banana" # ERROR: Invalid version constraint
  experiments      = []          # ERROR: Unsupported argument
}

targets "web" {
  names = ["web-*"]
  ecs { # ERROR: Not supported in this version
    cluster = "c"
  }
}

targets "all" { # ERROR: Selector that selects everything
  online = true
}

session "a" {
  tagret = targets.web # ERROR: Unsupported argument
  target = targets.web

  stpe "x" { # ERROR: Unsupported block type
    command = ["true"]
  }
}

session "no_target" { # ERROR: Missing required argument
  step "x" {
    command = ["true"]
  }
}

session "empty" { # ERROR: Session without steps
  target = targets.web
}

session { # ERROR: Missing name for session
  target = targets.web
}

session "two" "labels" { # ERROR: Extraneous label for session
  target = targets.web
}

session "9lives" { # ERROR: Invalid name
  target = targets.web
  step "x" {
    command = ["true"]
  }
}

provider "azure" { # ERROR: No such provider
}

resource "x" "y" { # ERROR: Unsupported block type
}
