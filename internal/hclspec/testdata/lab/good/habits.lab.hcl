agent {
  version            = "3.2.0.0"
  max_payload        = 512
  first_output_delay = "10ms"
}

faults {
  latency    = "25ms"
  start_rate = 3
  drop       = 0.02
  disconnect = "every 200 messages"
  seed       = 7
  slow       = { open = "1s", exit = "never" }
  agent_dies = "after 2s"
  agent_back = "1s"
  api "StartSession" {
    error = "ThrottlingException"
    first = 3
  }
  api "GetDocument" {
    error = "InternalServerError"
    share = 0.5
  }
  bad_message "wrong_digest" {
    when = "every 50 messages"
  }
}

kms {
  key_id            = "alias/ssm"
  deny              = ["Decrypt"]
  require_challenge = true
}
