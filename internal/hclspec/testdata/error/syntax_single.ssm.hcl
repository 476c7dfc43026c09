session "s" {
  target = "i-00000000000000001"
  step "a" {
    command = 'true' # ERROR: Invalid character
  }
}
