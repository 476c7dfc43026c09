nodes "web" {
  count    = 30000                  # ERROR: Out of range
  colour   = "red"                  # ERROR: Unsupported argument
  platform = "linux"                # ERROR: Invalid value
  tags     = { Role = upper("x") }  # ERROR: Not a literal
  files    = { "../x" = "" }        # ERROR: Invalid file name
  units    = { nginx = "running" }  # ERROR: Invalid unit state
  faults {
    start_rate = 1 # ERROR: Unsupported argument
    drop       = 2 # ERROR: Out of range
    api "GetDocument" { # ERROR: Invalid operation
      error = "InternalServerError"
      first = 1
    }
    api "GetConnectionStatus" {
      error = "empty token" # ERROR: Invalid value
      first = 1
    }
  }
  kms {
    key_id = "alias/two"
    state  = "Disabled"
  }
}

nodes "web" { # ERROR: Duplicate nodes block
  ids   = ["i-0123456789abcdef0", "i-0123456789abcdef0", "i-XYZ"] # ERROR: Duplicate node id # ERROR: Invalid node id
  count = 1 # ERROR: Conflicting arguments
}

nodes "none" {
  kms { # ERROR: Conflicting kms blocks
    key_id = "arn:aws:kms:eu-west-1:000000000000:alias/two"
  }
  ids = [] # ERROR: No node ids
  isolation = "vm" # ERROR: Invalid value
}

agent {
  pacing      = "quick" # ERROR: Invalid duration
  output_rate = 0.5     # ERROR: Wrong type
  max_payload = 1.5     # ERROR: Wrong type
  version     = "new"   # ERROR: Invalid agent version
}

agent {} # ERROR: Duplicate agent block

faults {
  disconnect = "sometimes" # ERROR: Invalid value
  reboot     = "after 20 potatoes" # ERROR: Invalid value
  pause      = "every 2s for 1s" # ERROR: Invalid value
  drop_burst = 0 # ERROR: Out of range
  blackhole  = "every 0 messages" # ERROR: Invalid value
  agent_back = "soon" # ERROR: Invalid duration
  slow       = { handshakes = "1s", dial = "soon" } # ERROR: Invalid phase # ERROR: Invalid duration
  api "StartSession" { # ERROR: Missing argument
    error = "TargetNotConnected"
  }
  api "StartSession" { # ERROR: Duplicate api block
    error = "Teapot" # ERROR: Invalid value
    share = 0.5
    first = 1 # ERROR: Conflicting arguments
  }
  api "PutParameter" { # ERROR: Invalid operation
    error = "ThrottlingException"
    first = 1
  }
  bad_message "wrong" { # ERROR: Invalid kind of message
    when = "every 1 message"
  }
  bad_message "too_big" {
    when = "after 1s" # ERROR: Invalid value
  }
}

kms {
  key_id = "my key"   # ERROR: Invalid KMS key
  state  = "Broken"   # ERROR: Invalid value
  deny   = ["Encrypt"] # ERROR: Invalid value
}

kms { # ERROR: Duplicate kms block
  key_id = "alias/ssm"
}

session "x" { # ERROR: Unsupported block type
}
