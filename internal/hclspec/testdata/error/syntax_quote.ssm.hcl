session "s" {
  target = "i-00000000000000001"
  step "a" {
    command = "true # ERROR: Invalid multi-line string
  }
}
output "o" {
  value = "x"
}
