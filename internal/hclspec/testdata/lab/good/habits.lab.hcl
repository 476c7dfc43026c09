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
}

kms {
  key_id            = "alias/ssm"
  deny              = ["Decrypt"]
  require_challenge = true
}
