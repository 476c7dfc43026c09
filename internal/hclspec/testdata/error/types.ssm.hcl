variable "list" {
  type    = list(string)
  default = []
}

locals {
  call     = uper("x")           # ERROR: Call to unknown function
  many     = upper("x", "y")     # ERROR: Too many function arguments
  few      = replace("x")        # ERROR: Not enough function arguments
  pattern  = regex("(", "x")     # ERROR: Invalid function argument
  sum      = "a" + 1             # ERROR: Invalid operand
  element  = var.list.name       # ERROR: Unsupported attribute
  now      = timestamp()         # ERROR: Error in function call
  unique   = uuid()              # ERROR: Error in function call
}
