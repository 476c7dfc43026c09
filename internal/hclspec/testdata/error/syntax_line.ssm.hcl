session "s" {
  targt = "i-00000000000000001" # ERROR: Unsupported argument
  step "a" {
    expect { stdout { contains = "x" } } # ERROR: Argument definition required
    command = "x"
  }
}
output "o" {
  value = [for t in session.t : t.outcome]
}
