locals {
  a = "x"
  # ÿ # ERROR: Invalid character encoding
}
