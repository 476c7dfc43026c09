nodes "shop" {
  count = 4
  tags  = { Role = "shop" }
  files = {
    "etc/shop.conf" = "listen        = 8080\nworkers       = 4\npayments_url  = https://payments.internal/v1\n"
    "bin/shopctl"   = <<-EOT
      #!/bin/sh
      # As many vendors' tools do, it wants to be told by a person.
      case $1 in
      reload)
        printf 'Operator token: '
        stty -echo
        read -r token
        stty echo
        echo
        [ -n "$token" ] || exit 3
        printf 'Reload the workers now [y/N]? '
        read -r answer
        [ "$answer" = y ] || exit 4
        cp "$HOME/etc/shop.conf" "$HOME/etc/running.conf"
        echo reloaded
        ;;
      workers) sed -n 's/^workers *= *//p' "$HOME/etc/running.conf" ;;
      *) exit 2 ;;
      esac
    EOT
  }
}
