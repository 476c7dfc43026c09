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
    pacing = "0s"
    utf8   = false
  }
  faults {
    drop = 0.5
  }
}
