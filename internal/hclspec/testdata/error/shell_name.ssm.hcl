targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "s" {
  target = targets.t
  step "variable" {
    command = "echo ${HOME}" # ERROR: No such name
  }
}
