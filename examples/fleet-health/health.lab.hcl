nodes "web" {
  count = 8
  tags  = { Env = "prod", Role = "web" }
  units = { nginx = "active" }
}

nodes "api" {
  count = 3
  tags  = { Env = "prod", Role = "api" }
  units = { nginx = "active" }
}

nodes "test" {
  count = 2
  tags  = { Env = "test", Role = "web" }
  units = { nginx = "inactive" }
}
