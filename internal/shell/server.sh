# The step server in portable sh, for targets with neither perl nor python3;
# frame.sh comes before it.
# The main process reads the terminal between steps. During a step a reader
# does, for pings and signals, and the main process waits in the foreground
# for the pipeline that runs it: an asynchronous one would ignore interrupts.
trap : INT QUIT TSTP
exec 3<&0 6>&1
after() { :; }

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
left && { sleep 1; left; } && G=1
fi
{ read -r k <"$d/k"; } 2>/dev/null && [ "$k" = "$n" ] && s=1
uw= us= ui=
say "X $n - 0 $s 0 $C $G 0"
}

# more decodes what has come of a text, a few thousand characters at a time.
more() {
text "$b1" || bad=1
b2=$b2$o b1=
}

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
trap 'sig TERM; sleep 1; sig KILL; exit 1' HUP TERM
say "R v=1 server=sh pid=$$ enc=$e dir=$d awk=$cat setsid=$ses cksum=$ck"
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
[ ${#b1} -gt 4000 ] && more
esac;;
"#$N P "*)
u=${l##* } b1= b2= il=0 bad=
case $u in
W) uw= us= ui=ok I=;;
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
"#$N X "*)
IFS=' '
set -f
set -- ${l#"#$N X "}
run "$@";;
"#$N p "*) say "p ${l##* }";;
"#$N Q") exit 0;;
esac
done
