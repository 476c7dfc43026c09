targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "tunnel" {
  target   = targets.t
  document = "AWS-StartPortForwardingSession"

  step "good" {
    local_command = ["psql", "-p", self.local_port]
    env           = { PGPORT = self.local_port }
    dir           = "d${self.local_port}"
    stdin         = "${self.local_port}"
    captures      = { port = self.local_port }
    expect {
      stdout { contains = "${self.local_port}" }
    }
    assert {
      condition     = self.local_port > 0
      error_message = "no"
    }
  }

  step "early" {
    local_command = ["echo", self.stdout] # ERROR: Result is not there yet
    env           = { C = self.captures.c } # ERROR: Result is not there yet
    when          = self.local_port > 0   # ERROR: Name not allowed here
  }

  step "remote" {
    command = ["echo", self.local_port] # ERROR: Name not allowed here
    expect {
      stdout { contains = "${self.local_port}" } # ERROR: No tunnel here
    }
  }

  step "pause" {
    wait = "${self.local_port}s" # ERROR: Name not allowed here
  }
}
