# Nodes of a lab share this machine's loopback interface, so the bastion reaches
# the database at "localhost".

nodes "bastion" {
  count = 1
  tags  = { Role = "bastion" }
}

nodes "database" {
  count = 1
  tags  = { Role = "database" }
  files = {
    "bin/tiny-db" = <<-EOT
      #!/usr/bin/perl
      # Answers "COUNT name" with a number, on any free port, which it writes to
      # the file "port".
      use strict;
      use IO::Socket::INET;
      my %rows = (orders => 42, customers => 7);
      my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!";
      open(my $pid, '>', 'pid') or die "pid: $!";
      print $pid $$;
      close($pid);
      open(my $port, '>', 'port') or die "port: $!";
      print $port $server->sockport;
      close($port);
      while (my $client = $server->accept) {
        while (my $line = <$client>) {
          my ($name) = $line =~ /^COUNT (\w+)/;
          print $client defined $name && exists $rows{$name} ? $rows{$name} : 'ERROR', "\n";
        }
        close($client);
      }
    EOT
  }
}
