nodes "worker-full" {
  count = 2
  tags  = { Role = "worker-batch" }
  files = {
    "cache/upload-1.tmp" = "left behind\n"
    "cache/upload-2.tmp" = "left behind\n"
    "cache/upload-3.tmp" = "left behind\n"
    "cache/upload-4.tmp" = "left behind\n"
    "cache/upload-5.tmp" = "left behind\n"
    "cache/upload-6.tmp" = "left behind\n"
    "cache/upload-7.tmp" = "left behind\n"
    "cache/upload-8.tmp" = "left behind\n"
    "cache/index"        = "kept\n"
  }
}

nodes "worker-ok" {
  count = 3
  tags  = { Role = "worker-web" }
  files = { "cache/upload-1.tmp" = "a few bytes\n" }
}
