# The nodes have a package manager of their own: two small scripts that keep the
# installed version in a file. `dnf` brings it to 3.2.2.

nodes "old" {
  count = 4
  tags  = { PatchGroup = "linux-a" }
  units = { nginx = "active" }
  files = {
    "openssl.version" = "3.0.7"
    "bin/rpm"         = <<-EOT
      #!/bin/sh
      cat "$HOME/openssl.version"
    EOT
    "bin/dnf"         = <<-EOT
      #!/bin/sh
      echo "Upgraded: openssl"
      printf 3.2.2 > "$HOME/openssl.version"
    EOT
  }
}

nodes "new" {
  count = 2
  tags  = { PatchGroup = "linux-a" }
  units = { nginx = "active" }
  files = {
    "openssl.version" = "3.2.2"
    "bin/rpm"         = <<-EOT
      #!/bin/sh
      cat "$HOME/openssl.version"
    EOT
  }
}
