variable "version" { # ERROR: Invalid name
}

variable "typed" {
  type    = strin # ERROR: Invalid type specification
  default = "x"
}

variable "wrong" {
  type    = number
  default = "many" # ERROR: Invalid default value
}

variable "computed" {
  default = upper("x") # ERROR: Not a literal
}

variable "null" {
  nullable = false
  default  = null # ERROR: Invalid default value
}

variable "flag" {
  sensitive   = "perhaps" # ERROR: Wrong type
  description = var.typed # ERROR: Not a literal
}

variable "checked" {
  validation { # ERROR: Missing required argument
    condition = true # ERROR: Validation of something else
  }
  validation {
    condition     = length(session.x) > var.checked # ERROR: Name not allowed here
    error_message = "no"
  }
}
