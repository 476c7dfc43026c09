targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "s" {
  target = targets.t

  step "nothing" { # ERROR: Step without an action
    timeout = "1s"
  }

  step "two" {
    command = ["true"]
    script  = "x.sh" # ERROR: Step with two actions
  }

  step "upload" {
    upload { # ERROR: Missing required argument
      source = "x"
    }
  }

  step "upload_beside" {
    command = ["true"]
    upload { # ERROR: Step with two actions
      source      = "x"
      destination = "/x"
    }
  }

  step "download" {
    download {
      source      = "/x"
      destination = "x"
      mode        = "0644" # ERROR: Unsupported argument
    }
    dir = "/" # ERROR: Unused argument
    expect {} # ERROR: Unused block
  }

  step "tty" {
    wait = "30s"
    tty  = true # ERROR: Unused argument
    prompt { # ERROR: Unused block
      match  = "x"
      answer = "y"
    }
  }

  step "reboot" {
    reboot {}
    env = {} # ERROR: Unused argument
    retry {} # ERROR: Unused block
  }

  step "pause" {
    wait = "30s"
    env  = { A = "b" } # ERROR: Unused argument
    expect {} # ERROR: Unused block
  }

  step "args" {
    command = ["true"]
    args    = ["a"] # ERROR: Unused argument
  }

  step "wrong" {
    command    = ["true"]
    timeout    = "5 minutes" # ERROR: Invalid duration
    on_failure = "contineu"  # ERROR: Invalid value
    captures   = self.stdout # ERROR: Captures not written out
    expect {
      stdout {} # ERROR: Expectation without a test
      stdout { contians = "x" } # ERROR: Unsupported argument
    }
    retry {
      attempts = 3
      delay    = "soon" # ERROR: Invalid duration
    }
  }
}

session "kinds" {
  target = targets.t
  kind   = "document"
  after  = "always" # ERROR: Invalid value
  step "x" {
    command = ["true"]
  }
}

session "kind" {
  target   = targets.t
  kind     = "shel" # ERROR: Invalid value
  for_each = toset(["a"])
  count    = 2 # ERROR: Conflicting arguments
  step "x" {
    command = ["true"]
  }
  dynamic "step" { # ERROR: Not supported in this version
    for_each = []
    content {}
  }
}

module "m" { # ERROR: Not supported in this version
  source = "./m"
}
