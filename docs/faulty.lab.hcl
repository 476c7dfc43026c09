# A fleet on a bad day: what docs/lab.md says under "faults", in one lab file.
# A runbook that is sent to the groups "far" and "busy" passes; on "dying" its
# steps end unknown, and "gone" is unreachable.

faults {
  seed      = 7
  latency   = "2ms"
  jitter    = "2ms"
  duplicate = 0.05
}

nodes "far" {
  faults {
    disconnect = "every 64 KiB"
    slow       = { dial = "50ms", handshake = "50ms" }
    bad_message "wrong_digest" {
      when = "after 5 messages"
    }
  }
}

nodes "busy" {
  kms {
    key_id = "alias/busy"
  }
  faults {
    pause = "after 3 messages for 100ms"
    api "StartSession" {
      error = "ThrottlingException"
      first = 1
    }
  }
}

nodes "dying" {
  faults {
    agent_dies = "after 20 messages"
    agent_back = "30s"
  }
}

nodes "gone" {
  faults {
    api "StartSession" {
      error = "TargetNotConnected"
      share = 1
    }
  }
}
