session "s" { # ERROR: Unclosed configuration block
  target = "i-00000000000000001"
  step "a" {
    command = "true"

}
output "o" {
  value = targets.none
}
