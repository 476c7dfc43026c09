package shell

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

var surroundingCases = []tortureCase{
	{name: "disk full", step: sh("(echo x >/dev/full) 2>/dev/null || exit 5"), code: 5},
	{name: "disk full for a child", step: sh("cat /etc/passwd >/dev/full; exit 5"), code: 5, anyErr: true},
	{name: "ulimit -f 0", step: sh("ulimit -f 0; echo ok; exit 3"), out: "ok\n", code: 3, any: true},
	{name: "ulimit -n 20", step: sh("ulimit -n 20; echo ok; exit 3"), out: "ok\n", code: 3},
	{name: "ulimit -n 10", both: playFewDescriptors(10)},
	{name: "ulimit -n 4", both: playFewDescriptors(4)},
	{name: "ulimit -c 0 -t 100 -v 2000000", step: sh("ulimit -c 0; ulimit -t 100; ulimit -v 2000000; exit 3"), code: 3},
	{name: "umask 077", step: sh("umask 077; case $(umask) in *077) echo ok;; esac"), out: "ok\n"},
	{name: "umask 777", step: sh("umask 777; exit 3"), code: 3},
	{name: "in a directory that was removed", both: playRemoved},
	{name: "in a directory that cannot be read", both: playUnreadable},
	{name: "HOME and TMPDIR are missing", both: alone(`HOME=/no/such TMPDIR=/no/such; export HOME TMPDIR; echo ok; exit 3`, 3), dirty: true},
	{name: "TMPDIR cannot be written", both: alone(`export TMPDIR=/proc; echo ok`, 0), dirty: true},
	{name: "LC_ALL is nonsense", both: alone(`export LC_ALL=xx_YY.nonsense LANG=; echo ok`, 0), dirty: true},
	{name: "LC_ALL in another script", both: alone(`export LC_ALL=C.UTF-8; printf 'ok\n'`, 0), dirty: true},
	{name: "CDPATH", both: alone(`export CDPATH=/usr:/; echo ok`, 0), dirty: true},
	{name: "PATH is empty and exported", both: alone(`export PATH=; echo ok; exit 3`, 3), dirty: true, other: yashEcho},
	{name: "PATH leads nowhere", both: alone(`export PATH=/no/such; echo ok; exit 3`, 3), dirty: true, other: yashEcho},
	{name: "IFS is exported", both: alone(`IFS=0123456789ok; export IFS; echo "ok"; exit 3`, 3), dirty: true},
	{name: "ENV and BASH_ENV are exported", both: alone(`export ENV=/no/such BASH_ENV=/no/such; echo ok`, 0), dirty: true},
	{name: "variables of interpreters", both: alone(`export PERL5OPT=-Mnonsense PYTHONHOME=/no/such GZIP=-nonsense POSIXLY_CORRECT=1; echo ok`, 0), dirty: true},
	{name: "a variable with newlines and quotes", both: alone("export ODD=\"a\n'b'\n\\\"c\\\" \\$x \"; echo ok", 0), dirty: true},
	{name: "exported function of bash", play: playExportedFunction},
	{name: "an environment of 100 KB", play: playLargeEnvironment},
	{name: "a name that no shell can have", step: sh("env 'a-b=1' 'c.d=2' sh -c 'echo ok'"), out: "ok\n"},
	{name: "a hundred directories deep", both: playDeep},
	{name: "another user", play: playUser},
}

// alone runs a script that prints ok, then a step that finds its exports.
func alone(script string, code int) func(t testing.TB, r stepRunner) {
	return func(t testing.TB, r stepRunner) {
		for _, step := range []struct {
			script string
			code   int
		}{{script, code}, {"echo ok", 0}} {
			// A shell may say on stderr what it makes of its surroundings.
			out, errs, res := r.run(t, sh(step.script))
			if out != "ok\n" || res.ExitCode != step.code || !res.Verified() {
				t.Errorf("%s: got %q %q %+v", step.script, out, errs, res)
			}
		}
	}
}

// after is a step whose stderr and state do not matter: what went before may
// have made the shell complain.
func (tc tortureCase) after(t testing.TB, r stepRunner) {
	t.Helper()
	if out, errs, res := r.run(t, tc.step); out != "ok\n" || res.ExitCode != 0 {
		t.Errorf("the next step: got %q %q %+v", out, errs, res)
	}
}

// playFewDescriptors leaves the script hardly any: its result is exact, and it
// may be that its state cannot be saved, and that the shell says so.
func playFewDescriptors(n int) func(t testing.TB, r stepRunner) {
	return func(t testing.TB, r stepRunner) {
		out, errs, res := r.run(t, sh(fmt.Sprintf("ulimit -n %d; echo ok; exit 3", n)))
		if out != "ok\n" || res.ExitCode != 3 || !res.Verified() {
			t.Errorf("got %q %q %+v", out, errs, res)
		}
		tortureCase{step: sh("echo ok; cd /"), out: "ok\n"}.check(t, r)
	}
}

// playRemoved leaves a directory that is no more: the next step says where it
// runs instead, or that this one's state is not saved.
func playRemoved(t testing.TB, r stepRunner) {
	r.run(t, sh("cd /usr"))
	dir := t.TempDir() + "/gone"
	makeDir(t, dir)
	out, errs, res := r.run(t, Step{Script: []byte(`cd "$1" && rmdir "$1"; echo ok; exit 3`), Args: []string{dir}})
	if out != "ok\n" || errs != "" || res.ExitCode != 3 || !res.Verified() {
		t.Errorf("got %q %q %+v", out, errs, res)
	}
	if _, carries := r.(*rig); carries {
		if res.StateSaved {
			t.Errorf("state saved: got true, want false")
		}
		tortureCase{step: sh("pwd; cd /"), out: "/usr\n"}.check(t, r)
	}
}

func playUnreadable(t testing.TB, r stepRunner) {
	dir := t.TempDir() + "/shut"
	makeDir(t, dir)
	tortureCase{step: Step{Script: []byte(`cd "$1"; chmod 0 .; echo ok; exit 3`), Args: []string{dir}}, out: "ok\n", code: 3}.check(t, r)
	tortureCase{step: Step{Script: []byte(`cd /; chmod 700 "$1"; echo ok`), Args: []string{dir}}}.after(t, r)
}

func playDeep(t testing.TB, r stepRunner) {
	deep := strings.Repeat("/a-directory-with-a-longer-name", 100)
	dir := t.TempDir()
	tortureCase{step: Step{Script: []byte(`mkdir -p "$1" && cd "$1" && echo ok`), Args: []string{dir + deep}}, out: "ok\n"}.check(t, r)
	if _, carries := r.(*rig); carries {
		tortureCase{step: sh("pwd; cd /"), out: dir + deep + "\n"}.check(t, r)
	}
}

func playExportedFunction(t testing.TB, r *rig) {
	tortureCase{step: inBash("f() { echo 'a\nb'; }; export -f f; echo ok"), out: "ok\n"}.check(t, r)
	tortureCase{step: sh("echo ok"), out: "ok\n"}.check(t, r)
	tortureCase{step: inBash("unset -f f; echo ok"), out: "ok\n"}.check(t, r)
}

func playLargeEnvironment(t testing.TB, r *rig) {
	script := `v=0123456789; v=$v$v$v$v$v$v$v$v$v$v; v=$v$v$v$v$v$v$v$v$v$v; for i in 1 2 3 4 5 6 7 8 9 0; do export BIG$i=${v}$v$v$v$v$v$v$v$v$v; done; echo ok`
	tortureCase{step: sh(script), out: "ok\n"}.check(t, r)
	unset := "; unset BIG0 BIG1 BIG2 BIG3 BIG4 BIG5 BIG6 BIG7 BIG8 BIG9"
	tortureCase{step: sh("echo ${#BIG1} ${#BIG0}" + unset), out: "10000 10000\n"}.check(t, r)
	tortureCase{step: sh(`echo "${BIG1-unset}"`), out: "unset\n"}.check(t, r)
}

func playUser(t testing.TB, r *rig) {
	if os.Getuid() != 0 {
		t.Logf("another user: needs root")
		return
	}
	out, errs, res := r.run(t, Step{User: "nobody", Dir: "/", Script: []byte("id -un; read x; echo \"$x $A $1 $PWD\"; exit 4"),
		Stdin: []byte("in\n"), Env: []EnvVar{{"A", "it's"}}, Args: []string{"p q"}})
	if out != "nobody\nin it's p q /\n" || res.ExitCode != 4 || !res.Verified() {
		t.Errorf("got %q %q %+v", out, errs, res)
	}
}

func makeDir(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func writeProgram(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// yashEcho is why nothing can be printed without a PATH.
var yashEcho = map[string]string{"yash": "its echo needs one in PATH"}
