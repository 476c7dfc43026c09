# The framer of large output of a command-kind session, in perl: it goes on where
# fr of frame.sh has stopped, for one stream. No single quote may be in this text.
exit 97 unless eval { require Compress::Raw::Zlib; require MIME::Base64; 1 };
my ($N, $n, $ty, $more, $seq, $sum, $len, $mark) = @ARGV;
# Linux lets pipes be larger, 1031 is F_SETPIPE_SZ: fewer and longer turns.
eval { fcntl $_, 1031, 1048576 for *STDIN, *STDOUT } if $^O eq "linux";
my ($buf, $tail, $skip, $end) = ("", "", 0, 0);

sub out {
my $o = 0;
while ($o < length $_[0]) {
my $w = syswrite STDOUT, $_[0], length($_[0]) - $o, $o;
if (defined $w) { $o += $w }
elsif ($! != 4) { exit 1 }
}
}

sub more {
my $k = sysread STDIN, $buf, 131072, length $buf;
$end = 1 unless $k || !defined $k && $! == 4;
}

# Every line is one write that a pipe takes whole, beside those of the other framer.
sub frame {
my ($e, $p) = ("b", $buf);
if ($skip) { $skip-- }
else {
my ($z) = Compress::Raw::Zlib::Deflate->new(-Level => 1, -AppendOutput => 1);
my $q = "";
$z->deflate($buf, $q);
$z->flush($q);
if (length($q) < 0.9 * length $buf) { ($e, $p) = ("z", $q) }
else { $skip = 8 }
}
my $c = Compress::Raw::Zlib::crc32($buf);
$p = MIME::Base64::encode_base64($p, "");
my $o = 0;
for (; length($p) - $o > 3900; $o += 3900) { out("\@$N $more $n " . substr($p, $o, 3900) . "\n") }
out("\@$N $ty $n $seq $e " . length($buf) . sprintf(" r%08x ", $c) . substr($p, $o) . "\n");
$seq++;
$len += length $buf;
$sum = ($sum * 3 + $c) % 4294967296;
$buf = "";
}

# A little output waits a moment for more.
until ($end) {
more();
while (!$end && length $buf < 98304) {
my $r = "";
vec($r, 0, 1) = 1;
last unless 0 < select $r, undef, undef, 0.01;
more();
}
$tail .= $buf;
$end = 1 if index($tail, $mark) >= 0;
$tail = substr $tail, -length $mark if length $tail > length $mark;
frame() if length $buf;
}
out("\@$N T $n $ty $seq $len $sum\n");
