package shell

import "testing"

func inBash(script string) Step { return Step{Shell: "bash", Script: []byte(script)} }

var optionCases = []tortureCase{
	{name: "set -x", step: sh("PS4='+ '\nset -x\necho hi\n"), out: "hi\n", errs: "+ echo hi\n",
		other: map[string]string{"bash": "it repeats PS4 by the depth of sourced files"}},
	{name: "set -v", step: sh("set -v\necho hi\n"), out: "hi\n", anyErr: true},
	{name: "set -n", step: sh("echo a\nset -n\necho b\n"), out: "a\n", lost: true},
	{name: "noclobber", step: sh("set -C; exit 3"), code: 3},
	{name: "noglob", step: sh("set -f; echo *"), out: "*\n"},
	{name: "set -a", both: playAllExport, dirty: true},
	{name: "set -m", step: sh("set -m 2>/dev/null; sleep 0.01 & wait; echo ok"), out: "ok\n", other: map[string]string{"yash": "it has no set -m without a terminal", "zsh": "it has no set -m without a terminal", "mksh": "it reports jobs on stderr"}},
	{name: "set -o vi", step: sh("set -o vi 2>/dev/null; set -o emacs 2>/dev/null; echo ok"), out: "ok\n"},
	{name: "set -euxo pipefail", step: inBash("set -euo pipefail; false | true; echo not here"), code: 1},
	{name: "posix mode", step: inBash("set -o posix; echo ok; exit 4"), out: "ok\n", code: 4},
	{name: "shopt", step: inBash("shopt -s nullglob failglob extglob expand_aliases nocasematch; echo ok"), out: "ok\n"},
	{name: "exported SHELLOPTS", play: playShellopts, dirty: true},
	{name: "ERR and DEBUG traps", step: inBash("trap 'echo err >&2' ERR; trap 'n=$((n+1))' DEBUG; false; (exit 3)"), errs: "err\nerr\n", code: 3},
	{name: "IFS of digits", step: sh("IFS=0123456789; exit 15"), code: 15, dirty: true},
	{name: "IFS of letters", step: sh("IFS=acdehopstuvx/._; false; exit 15"), code: 15},
	{name: "IFS readonly", step: sh("readonly IFS; exit 7"), code: 7},
	{name: "PATH empty", step: sh("PATH=; echo x; exit 2"), out: "x\n", code: 2, dirty: true, other: yashEcho},
	{name: "PATH unset", step: sh("unset PATH; echo x; exit 2"), out: "x\n", code: 2, dirty: true, other: yashEcho},
	{name: "PATH readonly", step: sh("readonly PATH HOME; exit 2"), code: 2},
	{name: "PATH with a liar", both: playLiars, dirty: true},
	{name: "PWD is a lie", step: sh("PWD=/no/such; OLDPWD=/; exit 2"), code: 2, lost: true},
	{name: "our own names", step: sh("_ssmrun_rc=1; _ssmrun_p=/; _ssmrun_o0=x; exit 9"), code: 9},
	{name: "functions named as tools", step: sh("echo() { printf 'mine\\n'; }; cat() { :; }; kill() { :; }; awk() { :; }; sh() { :; }; echo; exit 4"), out: "mine\n", code: 4},
	{name: "functions named as builtins", step: sh("cd() { :; }; printf() { :; }; test() { return 1; }; true() { return 1; }; pwd() { :; }; exit 4"), code: 4},
	{name: "functions named as special builtins", step: inBash("set +o posix\nexit() { echo mine; builtin exit 11; }; set() { :; }; export() { :; }; trap() { :; }; eval() { :; }; sh -c 'exit 4'"), code: 4},
	{name: "a function named command", step: sh("command() { echo mine; }; command -v sh; exit 4"), out: "mine\n", code: 4},
	{name: "aliases that hide builtins", step: sh("shopt -s expand_aliases 2>/dev/null\nalias cd=false printf=false echo=false kill=false test=false\nexit 4"), code: 4},
	{name: "unalias and unset of everything", step: sh("unalias -a; unset HOME PATH TERM LANG PWD OLDPWD ENV; exit 4"), code: 4, dirty: true},
	{name: "a loop of functions", step: inBash("FUNCNEST=50; f() { f; }; f; exit 6"), anyBad: true, anyErr: true},
	{name: "exported functions", step: inBash("f() { echo from f; }; export -f f; bash -c f; unset -f f"), out: "from f\n"},
	{name: "many variables", step: sh("i=0; while [ $i -lt 2000 ]; do eval v$i=$i; i=$((i+1)); done; echo $v1999"), out: "1999\n"},
	{name: "getopts, shift and set --", step: Step{Script: []byte(`shift; set -- x y; while getopts ab: o -a -b c; do echo $o; done; echo $#`), Args: []string{"1", "2"}}, out: "a\nb\n2\n"},
	{name: "after all that", step: sh("echo fine; printf '%s' \"$-\" | tr -d 'a-zA-Z0-9'"), out: "fine\n"},
}

// playAllExport checks that what is ours does not become the script's.
func playAllExport(t testing.TB, r stepRunner) {
	tortureCase{step: sh("set -a; SSM_ALL=1; env | grep -c '^SSM_ALL=1$'"), out: "1\n"}.check(t, r)
	tortureCase{step: sh("env | grep -i _ssmrun_; unset SSM_ALL")}.check(t, r)
}

func playShellopts(t testing.TB, r *rig) {
	r.run(t, inBash("set -e; export SHELLOPTS BASHOPTS"))
	tortureCase{step: inBash("false; echo on"), out: "on\n"}.check(t, r)
}

// playLiars puts programs that lie in front of those that a server uses.
func playLiars(t testing.TB, r stepRunner) {
	dir := t.TempDir()
	for _, name := range []string{"cat", "base64", "od", "env", "awk", "printf", "rm", "setsid", "gzip", "cksum", "dd"} {
		writeProgram(t, dir+"/"+name, "#!/bin/sh\necho a lie\nexit 3\n")
	}
	tc := tortureCase{step: Step{Script: []byte(`PATH=$1:$PATH; export PATH; echo true; exit 2`), Args: []string{dir}}, out: "true\n", code: 2}
	tc.check(t, r)
	tortureCase{step: sh("echo again"), out: "again\n"}.check(t, r)
}
