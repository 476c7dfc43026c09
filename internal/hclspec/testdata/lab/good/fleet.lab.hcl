nodes "web" {
  count    = 20
  tags     = { Role = "web" }
  platform = "Linux"
  shell    = "bash"
  env      = { ROLE = "web" }
  units    = { nginx = "active", app = "failed" }
  files = {
    "etc/app.conf" = <<-EOT
      port = 1
    EOT
  }
  reboot_time = "5s"
}

nodes "odd" {
  ids       = ["i-0123456789abcdef0", "mi-0123456789abcdef0"]
  online    = false
  user      = "nobody"
  isolation = "namespace"
  agent {
    pacing      = "0s"
    output_rate = 5000000
    utf8        = false
  }
  faults {
    drop       = 0.5
    drop_burst = 3
    jitter     = "5ms"
    disconnect = "never"
    blackhole  = "after 1 message"
    pause      = "every 20 messages for 2s"
    lost_start = true
    slow       = { open = "0s", dial = "2s" }
    reboot     = "every 3 MiB"
    agent_dies  = "never"
    agent_hangs = "after 9 messages"
    agent_back  = "never"
    api "StartSession" {
      error = "none"
    }
    bad_message "wrong_digest" {
      when = "never"
    }
    bad_message "too_big" {
      when = "after 64 KiB"
    }
  }
  kms {
    key_id = "alias/odd"
    state  = "Disabled"
  }
}
