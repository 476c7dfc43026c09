package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tortureCase is one hostile step. A case with play does everything itself.
type tortureCase struct {
	name   string
	step   Step
	out    string
	errs   string
	anyErr bool // stderr is the shell's own complaint
	code   int
	anyBad bool // any code but 0
	signal string
	lost   bool // no state is saved
	play   func(t *testing.T, r *rig)
}

// noise is seeded, so that a failure can be repeated.
func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(src.Uint32())
	}
	return b
}

// size is of large cases: the default run is quick.
func size(n int) int {
	if *torture {
		return n
	}
	return n / 5
}

func allBytes() (b []byte) {
	for i := range 256 {
		b = append(b, byte(i))
	}
	return b
}

func catStdin(data string) Step { return Step{Script: []byte("cat"), Stdin: []byte(data)} }

var tortureCases = []tortureCase{
	{name: "empty script", step: sh("")},
	{name: "true", step: sh("true")},
	{name: "no newline", step: sh("printf abc"), out: "abc"},
	{name: "NUL", step: sh(`printf 'a\000b\000'`), out: "a\x00b\x00"},
	{name: "all bytes", step: catStdin(string(allBytes())), out: string(allBytes())},
	{name: "invalid UTF-8", step: catStdin("tail\xff\xfe\xc3"), out: "tail\xff\xfe\xc3"},
	{name: "U+FFFD", step: catStdin("ab\ufffdcdefgh\ufffd"), out: "ab\ufffdcdefgh\ufffd"},
	{name: "CRLF", step: catStdin("a\r\nb\r\n\r"), out: "a\r\nb\r\n\r"},
	{name: "control characters", step: catStdin("\x03\x04\x11\x13\x15\x16\x1a\x1c\x7f"), out: "\x03\x04\x11\x13\x15\x16\x1a\x1c\x7f"},
	{name: "script with control characters", step: sh("printf %s '\x03\x04\x11\x13\x15\x7f\r\t é\xff'"), out: "\x03\x04\x11\x13\x15\x7f\r\t é\xff"},
	{name: "exit 1", step: sh("exit 1"), code: 1},
	{name: "exit 7", step: sh("exit 7"), code: 7},
	{name: "exit 127", step: sh("nosuchprogram-ssmrun"), code: 127, anyErr: true},
	{name: "exit 137", step: sh("exit 137"), code: 137},
	{name: "last status", step: sh("false"), code: 1},
	{name: "kill -9 self", step: sh("echo before; kill -9 $$"), out: "before\n", code: 137, signal: "KILL", lost: true},
	{name: "kill -TERM self", step: sh("kill -TERM $$; sleep 5"), code: 143, signal: "TERM", lost: true},
	{name: "child dies by signal", step: sh("sh -c 'kill -SEGV $$'; exit $?"), code: 139, anyErr: true},
	{name: "stderr only", step: sh("echo oops >&2"), errs: "oops\n"},
	{name: "both streams", step: sh("for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"),
		out: numbered("o", 9), errs: numbered("e", 9)},
	{name: "unterminated quote", step: sh("echo 'abc"), anyErr: true, anyBad: true},
	{name: "unterminated if", step: sh("if true; then echo x"), anyErr: true, anyBad: true},
	{name: "heredoc", step: sh("cat <<E\none $((1+1))\n\ttab\nE\necho end"), out: "one 2\n\ttab\nend\n"},
	{name: "set -e", step: sh("set -e\nfalse\necho not here"), code: 1},
	{name: "set -u", step: sh("set -u\necho $nosuchvariable\necho not here"), anyBad: true, anyErr: true},
	{name: "set -x", step: sh("set -x\necho hi"), out: "hi\n", errs: "+ echo hi\n"},
	{name: "exec", step: sh("exec echo replaced"), out: "replaced\n", lost: true},
	{name: "exec closes streams", step: sh("exec >&- 2>&-; sleep 0.05; exit 4"), code: 4},
	{name: "own EXIT trap", step: sh("trap 'echo bye' EXIT; exit 3"), out: "bye\n", code: 3, lost: true},
	{name: "stdin is empty", step: sh("cat; echo done"), out: "done\n"},
	{name: "stdin is read once", step: Step{Script: []byte("read -r a; cat; echo \"[$a]\""), Stdin: []byte("one\ntwo\n")}, out: "two\n[one]\n"},
	{name: "stdin not read", step: Step{Script: []byte("echo ok"), Stdin: bytes.Repeat([]byte("x"), 100_000)}, out: "ok\n"},
	{name: "no terminal", step: sh("if (: </dev/tty) 2>/dev/null; then echo tty; else echo none; fi; stty raw echo 2>/dev/null; true"), out: "none\n"},
	{name: "fake frames", step: sh(`echo '@0 X 1 0 0 1 0 0 0 0'; printf '\n@ X 2 0\n#N x\n#E\n'`), out: "@0 X 1 0 0 1 0 0 0 0\n\n@ X 2 0\n#N x\n#E\n"},
	{name: "unset PATH", step: sh("unset PATH; echo x; exit 2"), out: "x\n", code: 2},
	{name: "PATH came back", step: sh("PATH=/usr/bin:/bin:/usr/sbin:/sbin; export PATH; echo ok"), out: "ok\n"},
	{name: "clear IFS", step: sh("IFS=0123456789; exit 15"), code: 15},
	{name: "noclobber", step: sh("set -C; exit 0")},
	{name: "noglob", step: sh("set -f; echo *"), out: "*\n"},
	{name: "functions named as tools", step: sh("echo() { printf 'mine\\n'; }; cat() { :; }; echo"), out: "mine\n"},
	{name: "descriptor 7 and 9", step: sh("exec 7>/dev/null 9>&1; echo a >&7; echo b >&9"), out: "b\n"},
	{name: "arguments", step: Step{Script: []byte(`for a; do printf '[%s]' "$a"; done`), Args: []string{"", "a b", "'", "$HOME", "x\ny", "-n", "é\xff"}},
		out: "[][a b]['][$HOME][x\ny][-n][é\xff]"},
	{name: "environment", step: Step{Script: []byte(`printf '%s|%s|%s' "$A" "$B" "$C"`), Env: []EnvVar{{"A", "1"}, {"B", "it's\n\"$x\"\n"}, {"A", "2"}, {"C", "é\xff`"}}},
		out: "2|it's\n\"$x\"\n|é\xff`"},
	{name: "environment is the step's", step: sh(`echo "${A-unset} ${B-unset}"`), out: "unset unset\n"},
	{name: "directory", step: Step{Script: []byte("pwd"), Dir: "/usr/bin"}, out: "/usr/bin\n"},
	{name: "directory is the step's", step: sh(`[ "$PWD" = /usr/bin ] || echo no`), out: "no\n"},
	{name: "directory missing", step: Step{Script: []byte("echo ran"), Dir: "/no/such/dir"}, code: dirMissing, anyErr: true},
	{name: "umask", step: sh("umask 077; umask"), out: "0077\n"},
	{name: "return", step: sh("echo a; return 5; echo b"), out: "a\n", code: 5},
	{name: "background holder", play: playHolder},
	{name: "background and quick", step: sh("sleep 0.2 >/dev/null 2>&1 & echo x"), out: "x\n"},
	{name: "many children", step: sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do (sleep 0.01; echo x) & done; wait"), out: strings.Repeat("x\n", 20)},
	{name: "yes into a closed pipe", step: sh("yes | head -n 3"), out: "y\ny\ny\n"},
	{name: "long line", step: sh("printf '%0200000d' 7"), out: strings.Repeat("0", 199999) + "7"},
	{name: "carries directory and variables", play: playState},
	{name: "carries what another shell exported", play: playStateAcross},
	{name: "large script", play: playLargeScript},
	{name: "1 MB of noise", play: playNoise},
	{name: "compressible output", play: playCompressible},
	{name: "both streams large", play: playBothLarge},
	{name: "streams while it runs", play: playStreams},
	{name: "nonce is hidden", play: playNonce},
	{name: "cancel a sleep", play: playCancel},
	{name: "cancel one that ignores INT and TERM", play: playStubborn},
	{name: "many small steps", play: playMany},
	{name: "python as shell", play: playPython},
	{name: "another user", play: playUser},
	{name: "kill the server", play: playKillServer},
	{name: "after all that", step: sh("echo fine"), out: "fine\n"},
}

func numbered(prefix string, n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "%s%d\n", prefix, i)
	}
	return b.String()
}

func (tc tortureCase) check(t *testing.T, r *rig) {
	t.Helper()
	out, errs, res := r.run(t, tc.step)
	if out != tc.out {
		t.Errorf("stdout: got %.300q, want %.300q", out, tc.out)
	}
	if !tc.anyErr && errs != tc.errs {
		t.Errorf("stderr: got %.300q, want %.300q", errs, tc.errs)
	}
	if tc.anyErr && errs == "" {
		t.Error("stderr: got none, want a complaint")
	}
	if tc.anyBad && res.ExitCode == 0 || !tc.anyBad && res.ExitCode != tc.code {
		t.Errorf("exit code: got %d, want %d", res.ExitCode, tc.code)
	}
	if !res.Verified() {
		t.Errorf("not verified: %+v", res)
	}
	if want := tc.signal; r.server.info.Server != "sh" && res.Signal != want {
		t.Errorf("signal: got %q, want %q", res.Signal, want)
	}
	if res.StateSaved == tc.lost {
		t.Errorf("state saved: got %v, want %v", res.StateSaved, !tc.lost)
	}
	if want := crc32.ChecksumIEEE([]byte(out)); res.Stdout.Sum != want || res.Stdout.Bytes != int64(len(out)) {
		t.Errorf("stdout: got %+v, want %d bytes, sum %d", res.Stdout, len(out), want)
	}
}

// TestTorture runs every case, in order, in one session for each column.
func TestTorture(t *testing.T) {
	type column struct {
		name, server string
		argv         []string
		h            habits
		binSh        string
	}
	columns := []column{
		{"dash/sh", "sh", []string{"dash"}, agent, ""},
		{"dash/perl", "perl", []string{"dash"}, agent, ""},
		{"bash/python3", "python3", []string{"bash", "--norc"}, agent, ""},
		{"dash/static", "static", []string{"dash"}, agent, ""},
	}
	if *torture {
		columns = nil
		for name, argv := range shells(t) {
			for _, server := range servers {
				for _, lat := range []time.Duration{0, 50 * time.Millisecond} {
					h := agent
					h.latency = lat
					columns = append(columns, column{fmt.Sprintf("%s/%s/%v", name, server, lat), server, argv, h, ""})
				}
			}
		}
		for _, bin := range []string{"bash --posix", "busybox sh", "ksh", "mksh", "zsh --emulate sh"} {
			columns = append(columns, column{"dash/sh/server " + bin, "sh", []string{"dash"}, agent, bin})
		}
	}
	for _, col := range columns {
		if !strings.Contains(col.name, *onlyColumn) {
			continue
		}
		t.Run(col.name, func(t *testing.T) {
			t.Parallel()
			r := boot(t, col.argv, col.h, Options{Servers: []string{col.server}, binSh: col.binSh})
			for _, tc := range tortureCases {
				t.Run(tc.name, func(t *testing.T) {
					if tc.play != nil {
						tc.play(t, r)
					} else {
						tc.check(t, r)
					}
				})
			}
		})
	}
}

func playHolder(t *testing.T, r *rig) {
	began := time.Now()
	out, _, res := r.run(t, sh("sleep 30 & echo $!"))
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
	pid, _ := strconv.Atoi(trim(out))
	if !alive(pid) {
		t.Errorf("background process %q has gone", out)
	}
	if r.server.info.Server != "sh" && !res.Held {
		t.Error("held: got false, want true")
	}
	if !res.Verified() {
		t.Errorf("not verified: %+v", res)
	}
	r.run(t, sh("kill "+trim(out)))
}

func playState(t *testing.T, r *rig) {
	dir := t.TempDir()
	value := "it's\n\"two\" $lines `x` \\ é\xff\n"
	r.run(t, Step{Script: []byte(`cd "$1"; export CARRIED="$2" GONE=1; local=3; mkdir 'a b'; cd 'a b'`), Args: []string{dir, value}})
	out, _, _ := r.run(t, sh(`pwd; printf '%s' "$CARRIED"; echo "${local-unset} $GONE"; unset GONE`))
	if want := dir + "/a b\n" + value + "unset 1\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	out, _, _ = r.run(t, sh(`echo "${GONE-unset}"; cd /; unset CARRIED`))
	if out != "unset\n" {
		t.Errorf("unset variable: got %q", out)
	}
	// Set for the step, then changed by it: that is carried.
	r.run(t, Step{Script: []byte("X=2"), Env: []EnvVar{{"X", "1"}, {"Y", "1"}}})
	out, _, _ = r.run(t, sh(`echo "${X-unset} ${Y-unset}"; unset X`))
	if out != "2 unset\n" {
		t.Errorf("changed variable: got %q", out)
	}
}

func playStateAcross(t *testing.T, r *rig) {
	r.run(t, Step{Shell: "bash", Script: []byte("export FROM=$'a\\nb\\001'; cd /usr")})
	out, _, _ := r.run(t, sh(`printf '%s|' "$FROM"; pwd`))
	if want := "a\nb\x01|/usr\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	r.run(t, sh("unset FROM; cd /"))
}

func playLargeScript(t *testing.T, r *rig) {
	var b strings.Builder
	for i := 0; b.Len() < size(200_000); i++ {
		fmt.Fprintf(&b, "x%d='some words that fill the line' # and a comment; $(not run)\n", i)
	}
	b.WriteString("echo $x0; exit 9")
	out, _, res := r.run(t, sh(b.String()))
	if out != "some words that fill the line\n" || res.ExitCode != 9 {
		t.Errorf("got %q, %+v", out, res)
	}
}

func playNoise(t *testing.T, r *rig) {
	data := noise(size(1 << 20))
	file := filepath.Join(t.TempDir(), "noise")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, res := r.run(t, sh("cat "+file))
	if out != string(data) || !res.Stdout.Verified {
		t.Errorf("got %d bytes, %+v", len(out), res)
	}
}

func playCompressible(t *testing.T, r *rig) {
	out, _, res := r.run(t, sh("i=0; while [ $i -lt 20000 ]; do echo \"line $i of a log that repeats itself\"; i=$((i+1)); done"))
	if strings.Count(out, "\n") != 20000 || !strings.HasSuffix(out, "line 19999 of a log that repeats itself\n") || !res.Verified() {
		t.Errorf("got %d bytes, %+v", len(out), res)
	}
}

func playBothLarge(t *testing.T, r *rig) {
	file := filepath.Join(t.TempDir(), "noise")
	data := noise(size(200_000))
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, res := r.run(t, sh(fmt.Sprintf("cat %[1]s & cat %[1]s >&2; wait", file)))
	if out != string(data) || errs != string(data) || !res.Verified() {
		t.Errorf("got %d and %d bytes, %+v", len(out), len(errs), res)
	}
}

// stamp notes when its first byte came.
type stamp struct {
	bytes.Buffer
	first time.Time
}

func (s *stamp) Write(p []byte) (int, error) {
	if s.first.IsZero() {
		s.first = time.Now()
	}
	return s.Buffer.Write(p)
}

func playStreams(t *testing.T, r *rig) {
	var out stamp
	fifo := filepath.Join(t.TempDir(), "go")
	done := make(chan error, 1)
	go func() {
		_, err := r.Run(t.Context(), sh("mkfifo "+fifo+"; echo first; read x <"+fifo+"; echo second"), &out, nil)
		done <- err
	}()
	// The step ends only after its first line was seen: no timing.
	for range 2000 {
		if _, err := os.Stat(fifo); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		r.mu.Lock()
		cur := r.Client.run
		r.mu.Unlock()
		var n int64
		if cur != nil {
			cur.out.Lock()
			n = cur.streams[0].bytes
			cur.out.Unlock()
		}
		if n == 6 || time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := os.WriteFile(fifo, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if out.String() != "first\nsecond\n" || time.Now().After(deadline) {
		t.Errorf("got %q; the first line did not come before the end", out.String())
	}
}

// playNonce looks for the nonce in every argument list and environment.
func playNonce(t *testing.T, r *rig) {
	out, _, _ := r.run(t, sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"))
	if n := r.server.nonce; strings.Contains(out, n) || strings.Contains(out, n[:16]) {
		t.Error("the nonce is in an argument list or an environment")
	}
}

func (r *rig) cancelled(t *testing.T, script string, grace time.Duration) (string, Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	go func() {
		for range 1000 {
			r.mu.Lock()
			cur := r.Client.run
			r.mu.Unlock()
			if cur != nil {
				cur.out.Lock()
				n := cur.streams[0].bytes
				cur.out.Unlock()
				if n > 0 {
					break
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	res, err := r.Run(ctx, Step{Script: []byte(script), Grace: grace}, &out, nil)
	if err != nil {
		t.Fatalf("%v\nscreen: %s", err, r.Screen())
	}
	return out.String(), res
}

func playCancel(t *testing.T, r *rig) {
	began := time.Now()
	out, res := r.cancelled(t, "echo $$; sleep 60", 5*time.Second)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	if !res.Cancelled || res.ExitCode == 0 || res.Escaped {
		t.Errorf("got %+v", res)
	}
	if pid, _ := strconv.Atoi(trim(out)); alive(pid) {
		t.Errorf("process %q is still there", out)
	}
	// INT was enough: TERM and KILL come after the grace only.
	if res.ExitCode != 130 {
		t.Errorf("exit code: got %d, want 130", res.ExitCode)
	}
	if out, _, _ := r.run(t, sh("echo next")); out != "next\n" {
		t.Errorf("next step: %q", out)
	}
}

func playStubborn(t *testing.T, r *rig) {
	_, res := r.cancelled(t, "trap '' INT TERM; echo $$; while :; do sleep 1; done", 200*time.Millisecond)
	if !res.Cancelled || res.ExitCode != 137 {
		t.Errorf("got %+v", res)
	}
	if out, _, _ := r.run(t, sh("echo next")); out != "next\n" {
		t.Errorf("next step: %q", out)
	}
}

func playMany(t *testing.T, r *rig) {
	for i := range 30 {
		out, _, res := r.run(t, sh(fmt.Sprintf("N=$((${N-0}+1)); export N; echo $N; exit %d", i)))
		if out != fmt.Sprintf("%d\n", i+1) || res.ExitCode != i || !res.Verified() {
			t.Fatalf("step %d: got %q %+v", i, out, res)
		}
	}
	r.run(t, sh("unset N"))
}

func playPython(t *testing.T, r *rig) {
	out, _, res := r.run(t, Step{Shell: "python3 -B", Script: []byte("import sys,os\nprint(sys.argv[1:], os.environ['A'], sys.stdin.read())\nsys.exit(3)\n"),
		Args: []string{"a b", "c"}, Env: []EnvVar{{"A", "1"}}, Stdin: []byte("in")})
	if out != "['a b', 'c'] 1 in\n" || res.ExitCode != 3 {
		t.Errorf("got %q %+v", out, res)
	}
	_, errs, res := r.run(t, Step{Shell: "nosuchinterpreter", Script: []byte("x")})
	if res.ExitCode != 127 || errs == "" {
		t.Errorf("missing interpreter: got %q %+v", errs, res)
	}
}

func playUser(t *testing.T, r *rig) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	out, errs, res := r.run(t, Step{User: "nobody", Dir: "/", Script: []byte("id -un; read x; echo \"$x $A $1 $PWD\"; exit 4"),
		Stdin: []byte("in\n"), Env: []EnvVar{{"A", "it's"}}, Args: []string{"p q"}})
	if out != "nobody\nin it's p q /\n" || res.ExitCode != 4 || !res.Verified() {
		t.Errorf("got %q %q %+v", out, errs, res)
	}
}

func playKillServer(t *testing.T, r *rig) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := r.Run(ctx, sh("kill -9 $PPID; sleep 0.3"), nil, nil)
	var lost *LostError
	if !errors.As(err, &lost) {
		t.Fatalf("got %v, want a LostError", err)
	}
	if ctx.Err() != nil {
		t.Error("the loss was noticed by the timeout only")
	}
	out, _, res := r.run(t, sh("echo again; exit 5"))
	if out != "again\n" || res.ExitCode != 5 {
		t.Errorf("after it: got %q %+v", out, res)
	}
}
