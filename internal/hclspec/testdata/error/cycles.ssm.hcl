locals {
  a = local.b
  b = local.c
  c = "${local.a}" # ERROR: Reference cycle
  d = local.d      # ERROR: Reference cycle
}

targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "first" {
  target     = targets.t
  depends_on = [session.third]
  step "x" {
    command = ["true"]
  }
}

session "second" {
  target = targets.t
  step "x" {
    command = ["echo", length(session.first)] # ERROR: Reference cycle
  }
}

session "third" {
  target     = targets.t
  depends_on = [session.second]
  step "x" {
    command = ["true"]
  }
}

session "fourth" {
  target     = targets.t
  depends_on = [session.fourth, session.fith, "session.first"] # ERROR: Session depends on itself # ERROR: No such session # ERROR: Invalid dependency
  step "x" {
    command = ["true"]
  }
}
