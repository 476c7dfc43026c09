locals {
  constant = 1e99999 # ERROR: Number too large
}
