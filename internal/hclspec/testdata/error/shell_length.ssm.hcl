locals {
  command = "echo ${#PATH}" # ERROR: Not a template sequence
}
