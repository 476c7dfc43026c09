nodes "app-blue" {
  count = 3
  files = {
    "release" = "name=shop\nversion=2.4.1\n"
    "app.log" = "INFO started\nERROR no route to payments\nINFO retried\n"
  }
}

nodes "app-green" {
  count = 2
  files = {
    "release" = "name=shop\nversion=2.5.0\n"
    "app.log" = "INFO started\n"
  }
}

nodes "bastion" {
  count = 1
}
