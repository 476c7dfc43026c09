# What the step server in sh and the command kind share: encoding, framing and
# running one step. The wire is described in doc.go; $z is a newline.
have() { command -v "$1" >/dev/null 2>&1; }
have dd || {
echo "ssmrun: this target has no dd, which is needed to run steps with sh" >&2
exit 3
}
if have base64; then
wide=${wide:-800}
if [ "$(printf abc | base64 -w $wide 2>/dev/null)" = YWJj ]; then enc() { base64 -w $wide; }; else enc() { base64; }; fi
dec() { base64 -d 2>/dev/null; }
e=b bs=65536
elif have openssl; then
enc() { openssl base64; }
dec() { openssl base64 -d; }
e=b bs=65536
else
enc() { od -An -v -tx1; }
e=h bs=4096
fi
gz=
[ $e = b ] && have gzip && gz=1
ck=
have cksum && ck=1
ses=
have setsid && ses=setsid
cat=
have awk && cat=$(command -v awk)
say() { printf '%s\n' "@$N $*" >&6; }

# place makes the private directory for carried state and process ids.
place() {
for t in "$TMPDIR" /tmp /var/tmp /dev/shm "$HOME"; do
[ "$t" ] && (umask 077; mkdir "$t/.ssmrun-$1") 2>/dev/null && d=$t/.ssmrun-$1 && return
done
d=/dev/null/none
}

# sig sends a signal to the step's process group, or without setsid to its
# first process.
sig() {
read -r k p <"$d/p" || return
[ "$k" = "$n" ] || return
if [ "$ses" ]; then kill -"$1" -"$p"; else kill -"$1" "$p"; fi
} 2>/dev/null

# left says whether a process of the step's group is still there; one that is
# only waiting to be reaped does not count.
left() {
sig 0 || return 1
[ -r /proc/self/stat ] || return 0
for f in /proc/[0-9]*/stat; do
{ read -r o <"$f"; } 2>/dev/null || continue
IFS=' '
set -- ${o##*") "}
[ "$3" = "$p" ] && [ "$1" != Z ] && return 0
done
return 1
}

# fr frames one stream, which ends at the mark: $1 and $2 are O o or E e. q, T
# and L say what of it was framed before. Where fast names something, large output
# is left to it. A stream that stops without the mark is said to lack a frame.
fast=
fr() {
skip=0 last=
set -f
while c=$(dd bs=$bs count=1 2>/dev/null | enc) && [ "$c" ]; do
IFS=$z
set -- "$1" "$2" $c
a=$1 b=$2
shift 2
if [ $e = h ]; then IFS=" $z"; set -- $*; IFS=_; else IFS=; fi
y="$*"
IFS=' '
last= v=$e
case $y in *"$m0"*|*"$m1"*|*"$m2"*) last=1;; esac
if [ "$gz" ] && [ ${#y} -gt 6000 ]; then
if [ $skip -gt 0 ]; then skip=$((skip-1)); else
g=$(printf '%s\n' "$c" | dec | gzip -1c 2>/dev/null | enc)
if [ "$g" ] && [ $((${#g}*10)) -lt $((${#c}*9)) ]; then c=$g v=z; else skip=8; fi
fi
fi
k=0 s=-
if [ $ck ]; then
k=$(cksum <<EOC
$c
EOC
)
k=${k%% *} s=t$k
fi
w=
IFS=$z
for l in $c; do
[ "$w" ] && printf '%s\n' "@$N $b $n $w" >&6
w=$l
done
IFS=' '
printf '%s\n' "@$N $a $n $q $v ${#c} $s $w" >&6
q=$((q+1)) L=$((L+${#c})) T=$(((T*3+k)&4294967295))
set -- $a $b
[ $last ] && break
[ "$fast" ] && [ ${#y} -gt 40000 ] && faster $a $b && return
done
[ $last ] || q=$((q+1))
printf '%s\n' "@$N T $n $1 $q $L $T" >&6
}

# all frames a stream from its beginning.
all() {
q=0 T=0 L=0
fr "$@"
}

# step runs the step itself, then marks the end of both its streams: what a
# process that it left behind writes comes after the mark. The step's stderr is
# 7 until the last exec, because this shell's redirections are in force when it
# says that the step was killed.
step() {
i=/dev/null
[ "$I" ] && i=$d/i
[ "$live" ] && i=$d/f$n
[ $cs = c ] && set -- env -i "PATH=$PATH" "$@"
set -- "$@" -c '. /dev/fd/9' "$c0"
[ "$tty" ] && unset SHELL && set -- script -qec "$tty" /dev/null
/bin/sh -c 'exec "$@" 2>&7 7>&-' sh $ses "$@" <"$i" 3<&- 4>&- 6>&- 8<<EOS 9<<EOW
$S
EOS
$W
EOW
x=$?
say "Y $n $x"
after $x
printf '%s' "$M$M"
printf '%s' "$M$M" >&7
}

# text undoes the upload's escapes: command substitution would drop newlines,
# hence the dot, which also shows that nothing was cut.
text() {
o=$(printf '%b.' "$1")
case $o in
*.) o=${o%.};;
*) return 1;;
esac
}
