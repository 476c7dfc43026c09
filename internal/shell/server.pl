# The step server in perl: one process between steps, one fork a step. The wire
# is described in doc.go. It is sent line by line through the terminal without
# its comments and indentation, and starts with what the bootstrap has read
# beyond it in $b. Modules outside of perl's smallest installation are optional.
use POSIX ();
binmode $_ for \*STDIN, \*STDOUT;
my $in = $b;
my $path = defined $ENV{PATH} ? $ENV{PATH} : '/usr/bin:/bin';
my ($N, %up, $up, $acks, $r, @late, $bye);
my $gz = eval { require Compress::Raw::Zlib; 1 };
my $mime = eval { require MIME::Base64; 1 };
my $hires = eval { require Time::HiRes; 1 };
my @crc = $gz ? () : map { my $c = $_; $c = $c & 1 ? 0xedb88320 ^ ($c >> 1) : $c >> 1 for 1 .. 8; $c } 0 .. 255;
# Low descriptors stay taken: the step's own are made at 8, 9 and 57.
my @low;
while (open(my $f, '<', '/dev/null')) { push @low, $f; last if fileno($f) > 60 }
# Handlers, not IGNORE: exec resets the one and passes the other on.
$SIG{$_} = sub { } for qw(INT QUIT CHLD PIPE TSTP TTOU TTIN);
$SIG{HUP} = $SIG{TERM} = sub { $bye = 1 };

sub now { $hires ? Time::HiRes::time() : time }

sub crc {
return Compress::Raw::Zlib::crc32($_[0]) if $gz;
my $c = 0xffffffff;
$c = $crc[($c ^ $_) & 255] ^ ($c >> 8) for unpack 'C*', $_[0];
return $c ^ 0xffffffff;
}

sub enc {
return MIME::Base64::encode_base64($_[0], '') if $mime;
my $u = pack 'u', $_[0];
$u =~ s/^.//mg;
$u =~ s/\n//g;
$u =~ tr# -_`#A-Za-z0-9+/A#;
my $p = (3 - length($_[0]) % 3) % 3;
substr($u, -$p) = '=' x $p if $p;
return $u;
}

sub dec {
return MIME::Base64::decode_base64($_[0]) if $mime;
my $s = $_[0];
$s =~ tr#A-Za-z0-9+/##cd;
$s =~ tr#A-Za-z0-9+/# -_#;
return unpack 'u', join '', map { chr(32 + int(length($_) * 3 / 4)) . $_ . "\n" } $s =~ /(.{1,60})/gs;
}

# raw is the encoding for a session that passes bytes: only those are escaped
# that a terminal, the agent or a line of the wire would change.
my %raw = map { (chr $_, '=' . chr($_ ^ 64)) } 0, 9, 10, 13, 17, 19, 27, 61, 239;
sub raw { my $p = $_[0]; $p =~ s/([\x00\t\n\r\x11\x13\x1b=\xef])/$raw{$1}/g; $p }
my $eight = 0;

# quit ends the server and, when the session has ended, the step with it.
sub quit {
if ($r) {
stop('TERM');
select undef, undef, undef, 0.5;
kill 'KILL', -$r->{pid};
}
POSIX::_exit($_[0]);
}

sub out {
my $o = 0;
while ($o < length $_[0]) {
my $w = syswrite STDOUT, $_[0], length($_[0]) - $o, $o;
if (defined $w) { $o += $w }
elsif ($! != POSIX::EINTR()) { quit(1) }
quit(1) if $bye;
}
}

sub say1 { out("\@$N $_[0]\n") }

# frame sends at most 48 KiB of a stream as one frame.
sub frame {
my ($s) = @_;
my $d = substr $s->{buf}, 0, 49152, '';
my ($e, $p) = ('b', $d);
if ($gz && length($d) >= 512) {
if ($s->{skip}) { $s->{skip}-- }
else {
my ($z) = Compress::Raw::Zlib::Deflate->new(-Level => 1, -AppendOutput => 1);
my $q = '';
$z->deflate($d, $q);
$z->flush($q);
if (length($q) < 0.9 * length $d) { ($e, $p) = ('z', $q) }
else { $s->{skip} = 8 }
}
}
my $c = crc($d);
my $last = 4000;
if ($eight && length($p) >= 512) { $e = $e eq 'z' ? 'y' : 'q'; $p = raw($p); $last = 0 }
else { $p = enc($p) }
my $lc = lc $s->{ty};
my $m = '';
my $o = 0;
for (; length($p) - $o > $last; $o += 4000) { $m .= "\@$N $lc $r->{n} " . substr($p, $o, 4000) . "\n" }
out($m . "\@$N $s->{ty} $r->{n} $s->{seq} $e " . length($d) . sprintf(' r%08x ', $c) . substr($p, $o) . "\n");
$s->{seq}++;
$s->{len} += length $d;
$s->{sum} = ($s->{sum} * 3 + $c) % 4294967296;
}

# take reads what is there of a stream, at most 64 KiB; at its end it closes it.
sub take {
my ($s) = @_;
return 0 unless $s->{fh};
my $n = sysread $s->{fh}, $s->{buf}, 65536, length $s->{buf};
if (defined $n ? $n == 0 : $! == POSIX::EIO()) { close $s->{fh}; $s->{fh} = undef }
$s->{at} ||= now() if $n;
return $n || 0;
}

sub drain {
my ($s, $most) = @_;
my $t = 0;
while ($t < $most) {
my $n = take($s) or last;
$t += $n;
if ($s->{ty}) { frame($s) while length $s->{buf} > 49152 }
}
}

sub nonblock { my $h = $_[0]; my $f = fcntl($h, POSIX::F_GETFL(), 0); fcntl($h, POSIX::F_SETFL(), $f | POSIX::O_NONBLOCK()); binmode $h; $h }

# terminal makes a pty: its master, its slave and the slave's name. Perl's core
# has nothing for that, and Linux's ioctls differ between architectures
# (asm-generic/ioctls.h; powerpc and mips count the other way). What a program
# writes arrives as it is: output is not processed. The rest is as the kernel
# makes it.
sub terminal {
my ($rows, $cols) = @_;
sysopen(my $m, '/dev/ptmx', POSIX::O_RDWR() | POSIX::O_NOCTTY()) or return;
my ($z, $k) = (pack('i', 0), pack 'i', 0);
ioctl($m, 0x80045430, $k) || ioctl($m, 0x40045430, $k) or return;
ioctl($m, 0x40045431, $z) || ioctl($m, 0x80045431, $z) or return;
$k = '/dev/pts/' . unpack 'i', $k;
sysopen(my $s, $k, POSIX::O_RDWR() | POSIX::O_NOCTTY()) or return;
$z = pack 'S4', $rows, $cols, 0, 0;
ioctl($s, 0x5414, $z) || ioctl($s, 0x80087467, $z);
my $t = POSIX::Termios->new;
$t->getattr(fileno $s) or return;
$t->setoflag($t->getoflag & ~POSIX::OPOST());
$t->setattr(fileno $s, POSIX::TCSANOW()) or return;
return ($m, $s, $k);
}

sub start {
my ($n, @cmd) = @_;
for (qw(W S)) { return say1("F $n upload") unless $up{$_}{ok} }
return say1("F $n upload") if $up{I} && !$up{I}{ok};
my (@p, @feed, @t);
if ($up{L} && $up{L}[0] eq 't') { @t = terminal(@{ $up{L} }[1, 2]) or return say1("F $n there is no terminal for it: $!") }
for (0 .. 5) { pipe($p[$_][0], $p[$_][1]) or return say1("F $n pipe: $!") }
my $t = now();
my $pid = fork;
return say1("F $n fork: $!") unless defined $pid;
if (!$pid) {
POSIX::setsid();
$SIG{$_} = 'DEFAULT' for qw(INT QUIT HUP TERM PIPE CHLD TSTP TTOU TTIN);
my $f = \&POSIX::dup2;
if (@t) {
sysopen(my $c, $t[2], POSIX::O_RDWR()) or POSIX::_exit(126);
$f->(fileno($_ || !$up{I} ? $c : $p[2][0]), $_) for 0 .. 2;
}
else {
$f->(fileno($up{I} || $up{L} ? $p[2][0] : $low[0]), 0);
$f->(fileno $p[3][1], 1);
$f->(fileno $p[4][1], 2);
}
$f->(fileno $p[1][0], 8);
$f->(fileno $p[0][0], 9);
$f->(fileno $p[5][1], 57);
# By the carried PATH, and where that has been emptied by the server's own.
my @dirs = $cmd[0] =~ m#/# ? () : split /:/, $path;
my $no;
for ($cmd[0], map { "$_/$cmd[0]" } @dirs) {
no warnings;
exec { $_ } @cmd, '-c', '. /dev/fd/9', $cmd[0];
$no ||= $! + 0;
}
$! = $no;
print STDERR "ssmrun: $cmd[0]: $!\n";
POSIX::_exit($no == POSIX::ENOENT() ? 127 : 126);
}
my $i = 0;
for my $k (qw(W S I)) {
my $d = $up{$k} ? $up{$k}{d} : '';
push @feed, { fh => nonblock($p[$i][1]), d => $d, o => 0 } if length $d;
$i++;
}
$r = { n => $n, pid => $pid, t => $t, feed => \@feed };
$r->{$_->[0]} = { ty => $_->[0], fh => nonblock($p[$_->[1]][0]), buf => '', seq => 0, len => 0, sum => 0 } for ['O', 3], ['E', 4];
# The slave stays open here, so that the master is not at its end before the
# step is: a script may close all that it has.
if (@t) { $r->{O}{fh} = nonblock($t[0]); $r->{E}{fh} = undef; $r->{tty} = $t[0]; $r->{slave} = $t[1] }
if ($up{L}) { push @feed, $r->{live} = { fh => @t ? $t[0] : nonblock($p[2][1]), d => '', o => 0, sizes => [], n => 0, open => 1 } }
$r->{S} = { fh => nonblock($p[5][0]), buf => '' };
%up = ();
say1("B $n $pid");
}

# save takes the directory and the variables that the step's shell left.
sub save {
my $b = $r->{S}{buf};
return 0 unless $b =~ s/_SSMRUN_END\n\z//;
my %e = map { /\A([^=]+)=(.*)\z/s ? ($1, $2) : () } split /\0/, $b;
my $d = delete $e{_SSMRUN_PWD};
return 0 unless defined $d && chdir $d;
delete @e{qw(_ OLDPWD SHLVL)};
%ENV = %e;
return 1;
}

# finish reports the end of the step: all that it wrote before it ended is in
# the pipes, and a pipe holds no more than 64 KiB.
sub finish {
my $st = $_[0];
my $us = int((now() - $r->{t}) * 1e6);
my ($esc, $held) = (0, 0);
close $r->{slave} if $r->{slave};
drain($r->{$_}, 131072) for qw(O E S);
# The kernel has just hung up on what is left in the terminal's foreground.
for (1 .. 10) { last unless $r->{tty} && $r->{O}{fh}; select undef, undef, undef, 0.01; drain($r->{O}, 131072) }
if ($r->{k}) {
kill 'KILL', -$r->{pid};
for (1 .. 10) {
last if !$r->{O}{fh} && !$r->{E}{fh} && !left();
select undef, undef, undef, 0.02;
drain($r->{$_}, 131072) for qw(O E);
}
$esc = 1 if left();
}
for my $s ($r->{O}, $r->{E}) {
frame($s) while length $s->{buf};
say1("T $r->{n} $s->{ty} $s->{seq} $s->{len} $s->{sum}");
if ($s->{fh}) { $held = 1; push @late, $s->{fh} unless $r->{tty} }
}
shift @late while @late > 32;
$esc = 1 if $r->{k} && $held;
my $sig = $st & 127;
my $rc = $sig ? 128 + $sig : $st >> 8;
my $ok = save();
my $m = "X $r->{n} $rc $sig $ok " . ($hires ? $us : 0) . ' ' . ($r->{k} ? 1 : 0) . " $esc $held";
$r = undef;
say1($m);
}

# left says whether a process of the step's group is still there; one that is
# only waiting to be reaped does not count.
sub left {
return 0 unless kill 0, -$r->{pid};
return 1 unless -r '/proc/self/stat';
for (glob '/proc/[0-9]*/stat') {
open(my $f, '<', $_) or next;
my $l = <$f>;
return 1 if defined $l && $l =~ /.*\) (\S) \d+ (\d+) /s && $2 == $r->{pid} && $1 ne 'Z';
}
return 0;
}

# taken says how many lines of live input the step has got.
sub taken {
my $l = $r->{live} or return;
my $n = $l->{n};
while (@{ $l->{sizes} } && $l->{sizes}[0] <= $l->{o}) {
my $size = shift @{ $l->{sizes} };
substr $l->{d}, 0, $size, '';
$l->{o} -= $size;
$l->{n}++;
}
close $l->{fh} unless $l->{open} || @{ $l->{sizes} } || $r->{tty};
say1("I $r->{n} $l->{n}") if $l->{n} > $n;
}

# live takes input for the step that is running; none at all is its end.
sub live {
my ($n, $d) = @_;
my $l = $r && $r->{n} == $n ? $r->{live} : undef;
return unless $l && $l->{open};
$d = defined $d ? dec($d) : '';
$l->{open} = 0 if $d eq '';
$l->{d} .= $d;
push @{ $l->{sizes} }, length $d;
}

# stop signals the step's process group and, where it has a terminal, that in the
# foreground there. What may not be signalled, such as another user's sudo, is
# interrupted by the terminal, and then hung up on.
sub stop {
my ($g) = @_;
my $ok = kill $g, -$r->{pid};
return unless $r->{tty} && $r->{O}{fh};
my $fg = POSIX::tcgetpgrp(fileno $r->{tty});
$ok = kill $g, -$fg if $fg && $fg > 0 && $fg != $r->{pid};
return if $ok;
if ($g eq 'INT') { syswrite $r->{tty}, "\x03" }
else { close $r->{slave}; close $r->{O}{fh}; $r->{O}{fh} = undef }
}

sub command {
my ($v, @a) = split / /, $_[0];
if ($v eq 'D') {
if ($up) { $up{$up}{d} .= dec($a[0]) }
say1("A $acks") if ++$acks % 16 == 0;
}
elsif ($v eq 'P') { %up = () if $a[0] eq 'W'; $up = $a[0]; $up{$up} = { d => '' } }
elsif ($v eq 'E') { my $u = $up{$a[0]}; $u->{ok} = length($u->{d}) == $a[1] && crc($u->{d}) == hex $a[2]; $up = undef }
elsif ($v eq 'X') { $r ? say1("F $a[0] busy") : start(@a) }
elsif ($v eq 'K') { if ($r && $r->{n} == $a[0]) { $r->{k} = 1; stop($a[1]) } }
elsif ($v eq 'I') { live(@a) }
elsif ($v eq 'L') { $up{L} = [@a] }
elsif ($v eq 'p') { say1("p $a[0]") }
elsif ($v eq '8') { $eight = 1 }
elsif ($v eq 'Q') { quit(0) }
}

sub input {
while ($in =~ s/\A([^\n]*)\n//) {
my $l = $1;
$l =~ s/\r+\z//;
if (!defined $N) {
next unless $l =~ /\A#N (\w+)/;
$N = $1;
say1('8 ' . raw(join '', map { chr } 0 .. 255) . ' 8=8');
say1("R v=1 server=perl pid=$$ zlib=" . ($gz ? 1 : 0));
}
elsif ($l =~ s/\A#$N //) { command($l) }
}
}

input();
while (1) {
quit(1) if $bye;
my ($ri, $wi) = ('', '');
vec($ri, 0, 1) = 1;
vec($ri, fileno $_, 1) = 1 for @late;
my $wait = undef;
if ($r) {
$wait = 0.25;
for (qw(O E S)) {
my $s = $r->{$_};
vec($ri, fileno $s->{fh}, 1) = 1 if $s->{fh};
$wait = 0.01 if $s->{ty} && length $s->{buf};
}
vec($wi, fileno $_->{fh}, 1) = 1 for grep { fileno $_->{fh} && $_->{o} < length $_->{d} } @{ $r->{feed} };
}
my $got = select $ri, $wi, undef, $wait;
if ($got > 0) {
if (vec $ri, 0, 1) {
my $n = sysread STDIN, $in, 65536, length $in;
quit(1) if defined $n ? $n == 0 : $! != POSIX::EINTR();
input();
}
@late = grep { my $n = vec($ri, fileno $_, 1) ? sysread $_, my $x, 65536 : 1; !defined $n || $n } @late;
}
next unless $r;
if ($got > 0) {
for my $f (@{ $r->{feed} }) {
next unless fileno $f->{fh} && vec $wi, fileno $f->{fh}, 1;
my $w = syswrite $f->{fh}, $f->{d}, 65536, $f->{o};
if (defined $w) { $f->{o} += $w }
elsif ($! == POSIX::EPIPE()) { $f->{o} = length $f->{d} }
}
taken();
$r->{feed} = [grep { $_->{open} || $_->{o} < length $_->{d} } @{ $r->{feed} }];
for (qw(O E S)) { my $s = $r->{$_}; take($s) if $s->{fh} && vec $ri, fileno $s->{fh}, 1 }
}
# A little output waits a moment for more; a lot goes at once.
my $t = now();
for my $s ($r->{O}, $r->{E}) {
frame($s) while length $s->{buf} >= 16384;
if (length $s->{buf} && (!$got || $t - $s->{at} >= 0.01)) { frame($s) }
$s->{at} = 0 unless length $s->{buf};
}
if (waitpid($r->{pid}, POSIX::WNOHANG()) == $r->{pid}) { finish($?) }
}
