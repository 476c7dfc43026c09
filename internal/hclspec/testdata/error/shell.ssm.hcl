targets "t" {
  ids = ["i-0123456789abcdef0"]
}

session "s" {
  target = targets.t
  step "default" {
    command = "echo ${HOME:-/root}" # ERROR: Not a template sequence
  }
  step "curl" {
    command = ["curl", "-w", "%{http_code}", "http://localhost"] # ERROR: Not a template sequence
  }
  step "argument" {
    command = "echo ${1}" # ERROR: Not a template sequence
  }
  step "heredoc" {
    command = <<-EOT
      for f in "$${files[@]}"; do
        echo "${f%.*}" # ERROR: Not a template sequence
      done
    EOT
  }
}

session "others" {
  target = targets.tt # ERROR: No such targets block
  step "x" {
    comand = ["true"] # ERROR: Unsupported argument
  }
  step "lengths" {
    command = "echo ${#PATH} ${#HOME}" # ERROR: Not a template sequence # ERROR: Not a template sequence
  }
}
