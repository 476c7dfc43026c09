package shell

import (
	"fmt"
	"testing"
)

var endCases = []tortureCase{
	{name: "exit codes", both: playExitCodes},
	{name: "signals", both: playSignals},
	{name: "exit 137 is not a signal", step: sh("exit 137"), code: 137},
	{name: "exit 255", step: sh("exit 255"), code: 255},
	{name: "no such program", step: sh("nosuchprogram-ssmrun"), code: 127, anyErr: true},
	{name: "not executable", step: sh("/etc/passwd"), code: 126, anyErr: true},
	{name: "a directory as a program", step: sh("/etc/"), code: 126, anyErr: true},
	{name: "last status", step: sh("false"), code: 1},
	{name: "status of a pipeline", step: sh("false | true; echo $?; true | false"), out: "0\n", code: 1},
	{name: "exit without a number", step: sh("(exit 9); exit"), code: 9},
	{name: "exit in a subshell", step: sh("(exit 5); echo $?"), out: "5\n"},
	{name: "return outside of a function", step: sh("echo a; return 5; echo b"), out: "a\n", code: 5},
	{name: "a child dies by a signal", step: sh("{ sh -c 'ulimit -c 0; kill -SEGV $$'; } 2>/dev/null; exit 139"), code: 139},
	{name: "kill -9 $$", step: sh("echo before; kill -9 $$"), out: "before\n", code: 137, signal: "KILL", lost: true},
	{name: "kill -TERM $$", step: sh("kill -TERM $$; sleep 5"), code: 143, either: true, any: true},
	{name: "kill its own process group", step: sh("echo a; kill -TERM 0; sleep 5"), out: "a\n", code: 143, either: true, any: true},
	{name: "stopped and continued", step: sh("(sleep 0.2; kill -CONT $$) & kill -STOP $$; echo on; exit 3"), out: "on\n", code: 3},
	{name: "exec", step: sh("exec echo replaced"), out: "replaced\n", any: true},
	{name: "exec of what exits 9", step: sh("exec sh -c 'exit 9'"), code: 9, any: true},
	{name: "exec of nothing", step: sh("exec nosuchprogram-ssmrun"), code: 127, anyErr: true, any: true},
	{name: "set -e", step: sh("set -e\nfalse\necho not here"), code: 1},
	{name: "set -e in a function", step: sh("set -e\nf() { return 6; }\nf\necho not here"), code: 6},
	{name: "set -u", step: sh("set -u\necho $nosuchvariable\necho not here"), anyBad: true, anyErr: true},
	{name: "${x:?}", step: sh("echo a; : ${nosuchvariable:?is missing}; echo b"), out: "a\n", anyBad: true, anyErr: true},
	{name: "unterminated quote", step: sh("echo 'abc"), anyErr: true, anyBad: true},
	{name: "unterminated if", step: sh("if true; then echo x"), anyErr: true, anyBad: true},
	{name: "syntax error behind a command", step: sh("echo a\n)\necho b\n"), out: "a\n", anyErr: true, anyBad: true,
		other: map[string]string{"ksh93": "it reads a script to its end first"}},
	{name: "division by zero", step: sh("x=0; echo $((1/x)); exit 0"), anyErr: true, anyBad: true},
	{name: "assignment to a readonly variable", step: sh("readonly R=1; R=2; exit 0"), anyErr: true, anyBad: true},
	{name: "own EXIT trap", step: sh("trap 'echo bye' EXIT; exit 3"), out: "bye\n", code: 3, lost: true},
	{name: "own EXIT trap that exits", step: sh("trap 'exit 5' EXIT; exit 3"), code: 5, lost: true},
	{name: "trap of TERM that exits", step: sh("trap 'echo got; exit 8' TERM; kill -TERM $$; sleep 1"), out: "got\n", code: 8},
	{name: "all signals ignored", step: sh("trap '' HUP INT QUIT TERM PIPE ALRM USR1 USR2; kill -TERM $$; kill -INT $$; echo alive; exit 2"), out: "alive\n", code: 2},
	{name: "exit in the middle of a loop of a pipeline", step: sh("printf '1\\n2\\n' | while read -r x; do exit 7; done; exit $?"), code: 7},
}

func playExitCodes(t testing.TB, r stepRunner) {
	codes := []int{0, 2, 3, 63, 64, 125, 126, 127, 128, 129, 130, 141, 143, 192, 200, 254}
	if !*torture {
		codes = codes[len(codes)-4:]
	}
	for _, code := range codes {
		tortureCase{step: sh(fmt.Sprintf("exit %d", code)), code: code}.check(t, r)
	}
}

func playSignals(t testing.TB, r stepRunner) {
	for _, s := range []struct {
		name string
		code int
	}{{"HUP", 129}, {"INT", 130}, {"QUIT", 131}, {"ABRT", 134}, {"USR1", 138}, {"SEGV", 139}, {"PIPE", 141}, {"ALRM", 142}} {
		script := "ulimit -c 0; echo here; exec env PERL_BADLANG=0 perl -e '$SIG{" + s.name + "} = q(DEFAULT); kill q(" + s.name + "), $$; sleep 5'"
		tc := tortureCase{step: sh(script), out: "here\n", code: s.code, signal: s.name, any: true}
		tc.check(t, r)
	}
}
