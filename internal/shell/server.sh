# The step server in portable sh, for targets with neither perl nor python3;
# frame.sh comes before it.
# The main process reads the terminal between steps. During a step a reader
# does, for pings and signals, and the main process waits in the foreground
# for what runs it: an asynchronous one would ignore interrupts.
trap : INT QUIT TSTP PIPE
exec 3<&0 6>&1
after() { :; }

# Where a here-document is a pipe that can be opened again for writing, and od
# reads no more than it is told to, a step gets its pipes without a process.
pipe=
set -- $(printf abcdef | { od -An -v -tu1 -N 3; od -An -v -tu1 -N 3; } 2>/dev/null)
if [ "$*" = "97 98 99 100 101 102" ] && (
exec 4<<EOP
x
EOP
[ -p /proc/self/fd/4 ] && exec 4<>/proc/self/fd/4 && echo y >&4 && read -r o <&4 && read -r o <&4 && [ "$o" = y ]
) 2>/dev/null; then
pipe=1
exec 7<<EOP
x
EOP
read -r o <&7
exec 7<>/proc/self/fd/7
fi
# The process's own id: $$ is the loader's.
P=$$
{ read -r P o </proc/self/stat; } 2>/dev/null

# Whether this sh lists its exports as any shell can read them.
carry=
case $(A="a'b" sh -c 'export -p' 2>/dev/null) in
*"export A='a'\"'\"'b'"*) carry=1;;
esac

# reader takes the terminal's lines while a step runs.
reader() {
trap '' HUP
# A TERM from the loader is lost while this process still has the traps of the
# main process; then that has gone already.
kill -0 $P 2>/dev/null || exit
# Framers read to the end when all that can write has gone, the main process too.
[ "$pipe" ] && exec 4</proc/self/fd/4 5</proc/self/fd/5
while IFS= read -r l; do
case $l in
"#$N K $n "*) stop "${l##* }" && echo "$n" >"$d/c";;
"#$N I $n "*) [ "$live" ] && printf '%s\n' "${l##* }" >&9;;
"#$N I $n") exec 9<&-;;
"#$N p "*) say "p ${l##* }";;
"#$N s $n") [ "$pipe" ] && read -r o <&7 && { { exec 9<&-; stream; } & pipe=; };;
esac
done
stop TERM
sleep 1
stop KILL
sleep 1
rm -rf "$d"
kill -9 $P
}

# writer gives the step its input. It waits for the step where that takes none;
# the reader of the terminal must not.
writer() {
q=0
while IFS= read -r l; do
printf %b "$l" || break
q=$((q+1))
say "I $n $q"
done
}

# stop is sig, but for what may not be signalled: that is interrupted by its
# terminal, and then hung up on.
stop() {
sig "$1" && return
[ "$tty" ] || return
case $1 in
INT) printf '%s\n' '\0003' >&9;;
*) read -r k <"$d/h$n" && kill -9 "$k";;
esac
} 2>/dev/null

# listen starts what reads the terminal during the step, and passes its input on.
listen() {
if [ "$live" ]; then
{ exec 4>&- 5>&- <"$d/g$n" >"$d/f$n"; writer; } 2>/dev/null &
V=$!
reader <&3 9<>"$d/g$n" &
R=$!
else
reader <&3 &
R=$!
fi
}

# hush ends what listen has started.
hush() {
{ kill -9 $R $V; wait $R $V; } 2>/dev/null
R= V=
}
V=

# attend makes what a step with input or a terminal needs, or says why it cannot.
# The input must not be in an argument list, where a printf that is a program
# would have it; a terminal is made by script, of util-linux.
attend() {
w=
case $(command -v printf) in */*) w="this target's sh would show its input in the process list";; esac
[ "$w" ] || (umask 077; mkfifo "$d/f$n" "$d/g$n") 2>/dev/null || w="there is no place for its input"
if [ -z "$w" ] && [ "$rows" ]; then
[ "$script" ] || { script -qec 'exit 3' /dev/null </dev/null >/dev/null 2>&1; script=$?; }
if [ "$script" = 3 ]; then
tty="${SHELL+SHELL='$SHELL' export SHELL;}stty rows $rows cols $cols -opost echo;echo \$PPID >'$d/h$n';exec"
[ $cs = c ] && tty="$tty env -i \"PATH=\$PATH\""
tty="$tty $* -c '. /dev/fd/9' $c0"
[ "$I" ] && tty="$tty <'$d/i'"
else
w="there is no terminal for it: perl, python3 or the script of util-linux could make one"
fi
fi
[ -z "$w" ]
}
script=

# stream frames both streams while the step runs. It costs several processes,
# so the client asks for it when a step takes long. There is one token, a line
# in the pipe at 7: who has read it, this or the main process, frames. A framer
# has no child of its own in the background: busybox ash drops a write that the
# end of one interrupts.
stream() {
trap - HUP
all O o <&4 &
all E e <&5 &
wait
echo f >&7
}

# small frames a stream of a step that has ended, with one process: its mark
# and the blanks behind it have filled the pipe up to the bytes that od takes.
small() {
a=$1 b=$2 q=1 L=1024 T=2166136261
c=$(od -An -v -tu1 -N 1024)
set -f
IFS=" $z"
set -- $c
IFS=_
y="_$*_"
last=
case $y in *"_${md}_"*) y=${y%%"_${md}_"*}_$md last=1;; esac
set -- ${y#_}
for v; do T=$(((T^v)*16777619&4294967295)); done
printf '%s\n' "@$N $a $n 0 d $# f$T $*" >&6
L=$#
IFS=' '
if [ $last ]; then say "T $n $a 1 $L $T"; else fr $a $b; fi
}

# quick runs the step in pipes of its own, which are new: what an earlier step
# has left behind may still write to the old ones.
quick() {
exec 4<<EOO 5<<EOE
x
EOO
x
EOE
read -r o <&4
read -r o <&5
exec 4<>/proc/self/fd/4 5<>/proc/self/fd/5
echo >&7
listen
say "B $n 0"
i=/dev/null
[ "$I" ] && i=$d/i
[ "$live" ] && i=$d/f$n
[ $cs = c ] && set -- env -i "PATH=$PATH" "$@"
set -- "$@" -c '. /dev/fd/9' "$c0"
{
([ "$tty" ] && unset SHELL && set -- script -qec "$tty" /dev/null
exec $ses "$@" <"$i" >&4 2>&5 3<&- 4>&- 5>&- 6>&- 7>&-) 8<<EOS 9<<EOW
$S
EOS
$W
EOW
x=$?
} 2>/dev/null
say "Y $n $x"
printf '%s%1024s' "$M$M" '' >&4
printf '%s%1024s' "$M$M" '' >&5
read -r o <&7
hush
if [ -z "$o" ]; then
small O o <&4
small E e <&5
fi
exec 4<&- 5<&-
}

# piped runs the step between framers, where the shell cannot make a pipe.
piped() {
listen
say "B $n 0"
{ { step "$@" 7>&4 2>/dev/null 4>&- | all O o; } 4>&1 | all E e; }
hush
}

run() {
n=$1 M=$2 md=$3 m0=$4 m1=$5 m2=$6 cs=$7
shift 7
c0=$1
if [ "$uw$us$ui" != "okokok" ]; then say "F $n upload"; return; fi
if [ "$live" ] && ! attend "$@"; then say "F $n $w"; return; fi
if [ "$pipe" ]; then quick "$@"; else piped "$@"; fi
s=0 C=0 G=0
{ read -r k <"$d/c"; } 2>/dev/null && [ "$k" = "$n" ] && C=1
if [ $C = 1 ]; then
sig KILL
left && { sleep 1; left; } && G=1
fi
{ read -r k <"$d/k"; } 2>/dev/null && [ "$k" = "$n" ] && s=1
uw= us= ui=
say "X $n - 0 $s 0 $C $G 0"
}

# more decodes what has come of a text, at most as much at a time as the
# smallest pipe holds.
more() {
if [ "$loop" ]; then loop "$b1"; else text "$b1" || bad=1; fi
b2=$b2$o b1=
}

# loop does what text does without a process: through the pipe at 7, which is
# empty between steps.
loop() {
printf '%b\n%s\n' "$1" "@$N" >&7
o=
while IFS= read -r c <&7 && [ "$c" != "@$N" ]; do o=$o$c$z; done
o=${o%"$z"}
}
loop=
if [ "$pipe" ]; then
loop 'a\n \0001\\b\0201\0210\0377\n\nb \n'
c=$o
text 'a\n \0001\\b\0201\0210\0377\n\nb \n' && [ "$c" = "$o" ] && loop=1
fi

# A shell that cannot hold any byte in a variable would change scripts.
text 'a\0377b'
case $o in
a?b|a??b) ;;
*) exit 3;;
esac
acks=0
while IFS= read -r l; do
if [ -z "$N" ]; then
case $l in "#N "*)
l=${l#"#N "}
N=${l%% *}
place "${l##* }"
trap 'rm -rf "$d"' EXIT
# The session has gone: so must the step, before its process id is removed.
trap 'sig TERM; sleep 1; sig KILL; [ "$R" ] && kill -9 $R $V; exit 1' HUP TERM
say "R v=1 server=sh pid=$P enc=$e dir=$d awk=$cat setsid=$ses cksum=$ck pipe=$pipe carry=$carry"
esac
continue
fi
case $l in
"#$N D "*)
l=${l#"#$N D "}
acks=$((acks+1))
[ $((acks%4)) = 0 ] && say "A $acks"
il=$((il+${#l}))
case $u in
I) printf %b "$l" >&5;;
*) b1=$b1$l
[ ${#b1} -gt 3000 ] && more
esac;;
"#$N P "*)
u=${l##* } b1= b2= il=0 bad=
case $u in
W) uw= us= ui=ok I= live= tty= rows=;;
I) ui= I=1; [ -d "$d" ] && exec 5>"$d/i"
esac;;
"#$N E "*)
more
l=${l##* }
[ "$bad" ] || [ $il != "$l" ] && u=
case $u in
W) W=$b2 uw=ok;;
S) S=$b2 us=ok;;
I) [ -d "$d" ] && exec 5>&- && ui=ok;;
esac
u= b1= b2= o=;;
"#$N L p") live=1;;
"#$N L t "*) live=1 rows=${l#"#$N L t "} cols=${rows##* } rows=${rows%% *};;
"#$N X "*)
IFS=' '
set -f
set -- ${l#"#$N X "}
run "$@";;
"#$N p "*) say "p ${l##* }";;
"#$N Q") exit 0;;
esac
done
