locals {
  a = "echo ${f%.*}"     # ERROR: Not a template sequence
  b = "${HOME%/bin}"     # ERROR: Not a template sequence
  c = "${files[@]}"      # ERROR: Not a template sequence
}
