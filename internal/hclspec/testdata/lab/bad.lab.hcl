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
  }
}

nodes "web" { # ERROR: Duplicate nodes block
  ids   = ["i-0123456789abcdef0", "i-0123456789abcdef0", "i-XYZ"] # ERROR: Duplicate node id # ERROR: Invalid node id
  count = 1 # ERROR: Conflicting arguments
}

nodes "none" {
  ids = [] # ERROR: No node ids
  isolation = "vm" # ERROR: Invalid value
}

agent {
  pacing      = "quick" # ERROR: Invalid duration
  max_payload = 1.5     # ERROR: Wrong type
  version     = "new"   # ERROR: Invalid agent version
}

agent {} # ERROR: Duplicate agent block

faults {
  disconnect = "sometimes" # ERROR: Invalid value
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
