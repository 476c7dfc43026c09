targets "web" {
  names = ["web-*"]
}

session "a" {
  tagret = targets.web # ERROR: Unsupported argument
  target = targets.web
  reason = 1 +         # ERROR: Invalid expression

  step "x" {
    command = ["true"]
  }
}
