nodes "web" {
  count = 10
  tags  = { Role = "web", Env = "prod" }
  units = { nginx = "active" }
}

nodes "stage" {
  count = 2
  tags  = { Role = "web", Env = "stage" }
  units = { nginx = "active" }
}
