# A database that only the bastion can reach, asked from this machine.

variable "database" {
  type        = string
  default     = "localhost"
  description = "the database's host, as the bastion knows it"
}

targets "database" {
  tags = { Role = "database" }
}

targets "bastion" {
  tags = { Role = "bastion" }
}

# The lab's node has a small server to be asked; a real one runs already, and its
# port is a number in "parameters" below.
session "serve" {
  target = targets.database
  reason = "start the database"

  step "start" {
    command  = "rm -f port; tiny-db >/dev/null 2>&1 & while [ ! -s port ]; do sleep 0.1; done; cat port"
    timeout  = "20s"
    captures = { port = trimspace(self.stdout) }
  }
}

session "report" {
  target   = targets.bastion
  reason   = "count orders through the tunnel"
  document = "AWS-StartPortForwardingSessionToRemoteHost"
  parameters = {
    host       = [var.database]
    portNumber = [one([for t in session.serve : t.step.start.captures.port])]
  }

  # psql would be: ["psql", "-h", "127.0.0.1", "-p", self.local_port, "-Atc", "select count(*) from orders"]
  step "orders" {
    local_command = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$0; echo COUNT orders >&3; read -r line <&3; echo $line", self.local_port]
    timeout       = "30s"
    captures      = { count = tonumber(trimspace(self.stdout)) }
    assert {
      condition     = self.captures.count > 0
      error_message = "There are no orders."
    }
  }

  step "customers" {
    local_command = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo COUNT customers >&3; read -r line <&3; echo $line"]
    env           = { PORT = self.local_port }
    timeout       = "30s"
    captures      = { count = tonumber(trimspace(self.stdout)) }
  }
}

session "stop" {
  target     = targets.database
  depends_on = [session.report]
  after      = "ended"
  reason     = "stop the database"

  step "stop" {
    command = "kill $(cat pid)"
  }
}

output "orders" {
  value = one([for t in session.report : t.step.orders.captures.count])
}

output "customers" {
  value = one([for t in session.report : t.step.customers.captures.count])
}
