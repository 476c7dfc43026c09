# The parts of a transfer; each is one step that calls one of these functions.
# Nothing is exported and no directory entered, so the carried state is as it was.
die() { printf '%s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# digest says by what it has summed its input, and the sum.
digest() {
if have sha256sum; then s=$(sha256sum) && echo "sha256sum ${s%% *}"
elif have shasum; then s=$(shasum -a 256) && echo "shasum ${s%% *}"
elif have openssl; then s=$(openssl dgst -sha256) && echo "openssl ${s##* }"
elif have python3; then s=$(python3 -c 'import hashlib,sys
h=hashlib.sha256()
for b in iter(lambda:sys.stdin.buffer.read(65536),b""):h.update(b)
print(h.hexdigest())') && echo "python3 $s"
elif have perl && perl -MDigest::SHA -e 1 2>/dev/null; then s=$(perl -MDigest::SHA -e 'binmode STDIN;print Digest::SHA->new(256)->addfile(*STDIN)->hexdigest') && echo "perl $s"
elif have cksum; then s=$(cksum) && echo "cksum ${s%% *}"
else echo "none -"
fi
}

size() { wc -c <"$1"; }

# full says, after a write that failed, what is free where $1 is, if df can tell.
full() {
df -Pk "$1" 2>/dev/null | {
read -r x
read -r x x x n x
[ "$n" ] && [ "$n" -ge 0 ] && printf ', where %s KiB are free' "$n"
} 2>/dev/null
}

# ours says whether the private directory is there and nobody else's: another
# user's, or a symbolic link, is not to be followed.
ours() {
[ -L "$1" ] && die "$1 is in the way: it is a symbolic link"
[ -e "$1" ] || return 1
[ -d "$1" ] && [ -O "$1" ] || die "$1 is in the way: it is not a directory of this user"
}

# back puts an old tree back that was moved away for a new one that did not come.
back() {
if [ -d "$1/old" ] && [ ! -e "$2" ] && [ ! -L "$2" ]; then mv "$1/old" "$2"; fi
}

# claim makes the private directory $1 that of the upload $2, and mine says
# whether it still is. Two that put something in the same place would otherwise
# write into each other's content: the one that began last goes on.
claim() { echo "$2" >"$1/by" || die "cannot write to $1"; }
mine() { read -r b <"$1/by" && [ "$b" = "$2" ]; } 2>/dev/null
still() { mine "$@" || die "another upload to the same place has begun, or $1 was removed"; }

abort() {
if ours "$1" && mine "$1" "$2"; then back "$1" "$3" && rm -rf "$1"; fi
}

# fits says what stands against the destination: $1 it, $2 file or tree, $3
# whether a tree may be replaced.
fits() {
p=${1%/*}
p=${p:-/}
[ -d "$p" ] || die "the directory $p does not exist"
if [ "$2" = file ]; then
[ -d "$1" ] && die "$1 is a directory"
elif [ -e "$1" ] || [ -L "$1" ]; then
[ "$3" ] || die "$1 exists; with replace = true it would be replaced"
[ -d "$1" ] && [ ! -L "$1" ] || die "$1 is not a directory"
else :
fi
[ "$2" = file ] || have tar || die "the target has no tar, which a directory needs"
}

# begin makes the private directory $1 for the upload $2 to destination $3, or
# says what an earlier session has left in it.
begin() {
umask 077
d=$1 u=$2
shift 2
if ours "$d"; then
claim "$d" "$u"
back "$d" "$1" || exit 1
fi
fits "$@"
if ours "$d"; then
n=$(size "$d/data" 2>/dev/null) || n=0
n=$((n))
if [ $n -gt 0 ]; then
s=$(digest <"$d/data") || die "cannot read $d/data"
echo "$n $s"
return
fi
else
mkdir "$d" || exit 1
claim "$d" "$u"
fi
true >"$d/data" || exit 1
echo "0 none -"
}

# restart drops what an earlier session has left.
restart() { umask 077; still "$1" "$2"; true >"$1/data"; }

# append adds a piece of the content: $1 the directory, $2 the upload, $3 what
# there is, $4 what there then has to be, $5 how the input is encoded, $6 the size
# of all of it.
append() {
umask 077
still "$1" "$2"
d=$1
shift
n=$(size "$d/data") || exit 1
[ $((n)) = "$2" ] || die "$d/data has $((n)) bytes and not $2: something else has changed it"
case $4 in
b) base64 -d;;
bz) base64 -d | gzip -dc;;
z) gzip -dc;;
*) cat;;
esac >>"$d/data"
n=$(size "$d/data") || exit 1
[ $((n)) = "$3" ] || die "$((n)) of $5 bytes could be written to $d$(full "$d")"
}

# finish checks the content and puts it in its place: $1 the directory, $2 the
# upload, $3 and on as for fits, then SHA-256, cksum, mode, owner. It says by what
# it checked.
finish() {
umask 077
still "$1" "$2"
d=$1
shift
t=$2 w=$3 r=$4 o=$8
s=$(digest <"$d/data") || die "cannot read $d/data"
case $s in
none*) ;;
"cksum $6") ;;
*" $5") ;;
*) die "the content that came has another checksum than what was sent" ;;
esac
n=$d/data
if [ $w = tree ]; then
n=$d/tree
rm -rf "$n" && mkdir "$n" && tar -xpof "$d/data" -C "$n" || die "cannot unpack to $n$(full "$d")"
if [ "$o" ]; then chown -R -h "$o" "$n" || exit 1; fi
else
if [ "$o" ]; then chown "$o" "$n" || exit 1; fi
chmod "$7" "$n" || exit 1
fi
fits "$t" $w "$r"
trap '' INT TERM HUP
if [ $w = tree ] && [ -d "$t" ]; then
mv "$t" "$d/old" || exit 1
fi
mv -f "$n" "$t" || { back "$d" "$t"; exit 1; }
rm -rf "$d"
echo "0 $s"
}

# look says what there is to download.
look() {
[ -e "$1" ] || die "$1 does not exist"
if [ -d "$1" ]; then
have tar || die "the target has no tar, which a directory needs"
[ -r "$1" ] && [ -x "$1" ] || die "$1 cannot be read: permission denied"
echo "tree 0 none -"
return
fi
[ -f "$1" ] || die "$1 is not a regular file"
[ -r "$1" ] || die "$1 cannot be read: permission denied"
n=$(size "$1") && s=$(digest <"$1") || exit 1
echo "file $((n)) $s"
}

fetch() {
if [ "$2" = 0 ]; then cat <"$1"; else tail -c "+$(($2+1))" <"$1"; fi
}

archive() { tar -cf - -C "$1" .; }

