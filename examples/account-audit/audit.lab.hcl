# One node has a second superuser, one has a certificate that ended: the audit is
# to find both, so this example ends with exit code 3.

nodes "good" {
  count = 3
  tags  = { Audit = "yes" }
  env   = { ETC = "etc" }
  files = {
    "etc/passwd"        = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
    "etc/tls/not-after" = "4102444800\n"
  }
}

nodes "intruder" {
  count = 1
  tags  = { Audit = "yes" }
  env   = { ETC = "etc" }
  files = {
    "etc/passwd"        = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n"
    "etc/tls/not-after" = "4102444800\n"
  }
}

nodes "expired" {
  count = 1
  tags  = { Audit = "yes" }
  env   = { ETC = "etc" }
  files = {
    "etc/passwd"        = "root:x:0:0:root:/root:/bin/sh\n"
    "etc/tls/not-after" = "1000000000\n"
  }
}
