# The step server in portable sh, for targets with neither perl nor python3.
# The wire is described in doc.go; $z is a newline, set by the bootstrap.
# The main process reads the terminal between steps. During a step a reader
# does, for pings and signals, and the main process waits in the foreground
# for the pipeline that runs it: an asynchronous one would ignore interrupts.
have() { command -v "$1" >/dev/null 2>&1; }
if have base64; then
if [ "$(printf abc | base64 -w 800 2>/dev/null)" = YWJj ]; then enc() { base64 -w 800; }; else enc() { base64; }; fi
dec() { base64 -d 2>/dev/null; }
e=b bs=32768
elif have openssl; then
enc() { openssl base64; }
dec() { openssl base64 -d; }
e=b bs=32768
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
trap : INT QUIT TSTP
exec 3<&0 6>&1

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

# reader takes the terminal's lines while a step runs.
reader() {
trap '' HUP
while IFS= read -r l; do
case $l in
"#$N K $n "*) sig "${l##* }" && echo "$n" >"$d/c";;
"#$N p "*) say "p ${l##* }";;
esac
done
sig TERM
sleep 1
sig KILL
}

# fr frames one stream, which ends at the mark: $1 and $2 are O o or E e.
fr() {
q=0 T=0 L=0 skip=0
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
k=0
if [ $ck ]; then
k=$(cksum <<EOC
$c
EOC
)
k=${k%% *}
fi
w=
IFS=$z
for l in $c; do
[ "$w" ] && printf '%s\n' "@$N $b $n $w" >&6
w=$l
done
IFS=' '
printf '%s\n' "@$N $a $n $q $v ${#c} t$k $w" >&6
q=$((q+1)) L=$((L+${#c})) T=$(((T*3+k)&4294967295))
set -- $a $b
[ $last ] && break
done
printf '%s\n' "@$N T $n $1 $q $L $T" >&6
}

# step runs the step itself, then marks the end of both its streams: what a
# process that it left behind writes comes after the mark. The step's stderr is
# 7 until the last exec, because this shell's redirections are in force when it
# says that the step was killed.
step() {
i=/dev/null
[ "$I" ] && i=$d/i
[ $cs = c ] && set -- env -i "PATH=$PATH" "$@"
/bin/sh -c 'exec "$@" 2>&7 7>&-' sh $ses "$@" -c '. /dev/fd/9' "$c0" <"$i" 3<&- 4>&- 6>&- 8<<EOS 9<<EOW
$S
EOS
$W
EOW
x=$?
say "Y $n $x"
printf '%s' "$M$M"
printf '%s' "$M$M" >&7
}

run() {
n=$1 M=$2 m0=$3 m1=$4 m2=$5 cs=$6 c0=$7
shift 6
if [ "$uw$us$ui" != "okokok" ]; then say "F $n upload"; return; fi
reader <&3 &
R=$!
say "B $n 0"
{ { step "$@" 7>&4 2>/dev/null 4>&- | fr O o; } 4>&1 | fr E e; }
{ kill -9 $R; wait $R; } 2>/dev/null
s=0 C=0 G=0
{ read -r k <"$d/c"; } 2>/dev/null && [ "$k" = "$n" ] && C=1
if [ $C = 1 ]; then
sig KILL
sig 0 && { sleep 1; sig 0; } && G=1
fi
{ read -r k <"$d/k"; } 2>/dev/null && [ "$k" = "$n" ] && s=1
uw= us= ui=
say "X $n - 0 $s 0 $C $G 0"
}

# text undoes the upload's escapes; command substitution would drop newlines.
text() { o=$(printf '%b.' "$1"); o=${o%.}; }

acks=0
while IFS= read -r l; do
if [ -z "$N" ]; then
case $l in "#N "*)
l=${l#"#N "}
N=${l%% *}
place "${l##* }"
trap 'rm -rf "$d"' EXIT
trap 'exit 1' HUP TERM
say "R v=1 server=sh pid=$$ enc=$e dir=$d awk=$cat setsid=$ses cksum=$ck"
esac
continue
fi
case $l in
"#$N D "*)
l=${l#"#$N D "}
acks=$((acks+1))
[ $((acks%4)) = 0 ] && say "A $acks"
case $u in
I) il=$((il+${#l})); printf %b "$l" >&5;;
*) b1=$b1$l
[ ${#b1} -gt 8000 ] && b2=$b2$b1 b1=
esac;;
"#$N P "*)
u=${l##* } b1= b2= il=0
case $u in
W) uw= us= ui=ok I=;;
I) ui= I=1; [ -d "$d" ] && exec 5>"$d/i"
esac;;
"#$N E "*)
IFS=' '
set -f
set -- $l
b2=$b2$b1
case $u in
W) [ ${#b2} = "$4" ] && text "$b2" && W=$o uw=ok;;
S) [ ${#b2} = "$4" ] && text "$b2" && S=$o us=ok;;
I) [ -d "$d" ] && exec 5>&- && [ $il = "$4" ] && ui=ok;;
esac
u= b1= b2= o=;;
"#$N X "*)
IFS=' '
set -f
set -- ${l#"#$N X "}
run "$@";;
"#$N p "*) say "p ${l##* }";;
"#$N Q") exit 0;;
esac
done
