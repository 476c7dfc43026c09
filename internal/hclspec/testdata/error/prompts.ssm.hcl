targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "document" {
  target   = targets.t
  document = "AWS-StartInteractiveCommand"

  step "good" {
    prompt_order = "any"
    prompt {
      match    = "${target.name} (y/n)"
      answer   = self.stdout
      timeout  = "5s"
      optional = true
      repeat   = true
      enter    = false
    }
    expect {
      exit_code = "any"
    }
  }

  step "wrong" {
    prompt_order = "sorted"   # ERROR: Invalid value
    stdin        = "x"        # ERROR: Unused argument
    prompt { # ERROR: Missing required argument
      match = self.stdout # ERROR: Name not allowed here
    }
    prompt { # ERROR: Missing required argument
      answer  = self.captures.x # ERROR: Captures are not there yet
      timeout = "soon"          # ERROR: Invalid duration
    }
  }

  step "local" {
    local_command = ["true"]
    prompt { # ERROR: Unused block
      match  = "x"
      answer = "y"
    }
  }

  step "order" {
    command      = ["true"]
    prompt_order = "sorted" # ERROR: Invalid value
  }

  finally "again" { # ERROR: Step without an action
    expect {
      exit_code = "any"
    }
  }
}
