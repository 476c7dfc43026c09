package shell

import "testing"

var stateCases = []tortureCase{
	{name: "directory and variables", play: playState},
	{name: "what another shell exported", play: playStateAcross},
	{name: "after exit 3, set -e and return", play: playStateAfterEnds},
	{name: "after kill -9 $$, exec and an own EXIT trap as the result says", play: playStateLost},
	{name: "a variable that was unset", play: playUnset},
	{name: "a variable of the step that the script changed", play: playChanged},
	{name: "values of every kind", play: playValues},
	{name: "not what is local", play: playLocals},
	{name: "through a lost server", play: playStateAfterLoss},
}

// carries runs a script, then checks what a next step prints.
func carries(t testing.TB, r *rig, first Step, then, want string) {
	t.Helper()
	if _, _, res := r.run(t, first); !res.StateSaved {
		t.Errorf("state of %.100q is not saved", first.Script)
	}
	if out, errs, _ := r.run(t, sh(then)); out != want || errs != "" {
		t.Errorf("then: got %q %q, want %q", out, errs, want)
	}
}

func playState(t testing.TB, r *rig) {
	dir := t.TempDir()
	value := "it's\n\"two\" $lines `x` \\ é\n"
	carries(t, r, Step{Script: []byte(`cd "$1"; export CARRIED="$2"; mkdir 'a b'; cd 'a b'`), Args: []string{dir, value}},
		`pwd; printf '%s' "$CARRIED"; cd /; unset CARRIED`, dir+"/a b\n"+value)
}

func playStateAcross(t testing.TB, r *rig) {
	carries(t, r, inBash("export FROM=$'a\\nb\\001'; cd /usr"), `printf '%s|' "$FROM"; pwd; unset FROM; cd /`, "a\nb\x01|/usr\n")
}

func playStateAfterEnds(t testing.TB, r *rig) {
	for i, end := range []string{"exit 3", "set -e; false", "return 4", "set -u; echo $nosuch", "set -f -C; IFS=/; exit 1"} {
		first := sh("cd /usr; export N=" + string(rune('a'+i)) + "; " + end)
		carries(t, r, first, "echo $N $PWD; unset N; cd /", string(rune('a'+i))+" /usr\n")
	}
}

func playStateLost(t testing.TB, r *rig) {
	for _, end := range []string{"kill -9 $$", "exec true", "trap : EXIT"} {
		r.run(t, sh("cd /usr; export KEPT=1; unset LOST"))
		want := "/usr 1 unset\n"
		if _, _, res := r.run(t, sh("cd /; KEPT=2; export LOST=1; "+end)); res.StateSaved {
			want = "/ 2 1\n" // mksh runs an EXIT trap at an exec
		}
		tortureCase{step: sh(`echo "$PWD $KEPT ${LOST-unset}"`), out: want}.check(t, r)
	}
	r.run(t, sh("unset KEPT LOST; cd /"))
}

func playUnset(t testing.TB, r *rig) {
	carries(t, r, sh("export GONE=1 STAYS=2"), `echo "$GONE $STAYS"; unset GONE`, "1 2\n")
	tortureCase{step: sh(`echo "${GONE-unset} $STAYS"; unset STAYS`), out: "unset 2\n"}.check(t, r)
	tortureCase{step: sh(`echo "${GONE-unset} ${STAYS-unset}"`), out: "unset unset\n"}.check(t, r)
}

func playChanged(t testing.TB, r *rig) {
	carries(t, r, Step{Script: []byte("X=2"), Env: []EnvVar{{"X", "1"}, {"Y", "1"}}}, `echo "${X-unset} ${Y-unset}"; unset X`, "2 unset\n")
}

func playValues(t testing.TB, r *rig) {
	for _, value := range []string{"", " ", "\n", "a\n", "'", "''\\''", "\\", "$(echo no)", "=", "é€", "\t\r\x01\x1b[31m", "_SSMRUN_END\n"} {
		carries(t, r, Step{Script: []byte(`export V="$1"`), Args: []string{value}}, `printf '[%s]' "$V"; unset V`, "["+value+"]")
	}
}

func playLocals(t testing.TB, r *rig) {
	carries(t, r, sh("local1=1; f() { :; }; set -f; umask 077; alias x=y; ulimit -n 100"), `echo "${local1-unset}" $(umask) "$-" | tr -d 'a-eg-zA-Z0-9 '; command -v f; ulimit -n >/dev/null`, "\n")
}

func playStateAfterLoss(t testing.TB, r *rig) {
	r.run(t, sh("cd /usr; export KEPT=1"))
	if _, err := r.Run(t.Context(), sh("kill -9 $PPID; sleep 0.3"), nil, nil); err == nil {
		t.Fatal("the server was not lost")
	}
	// A new server begins anew; where only what ran the step was killed, the old
	// one has all.
	out, _, _ := r.run(t, sh(`[ "$PWD" = /usr ] && echo "${KEPT-none} usr" || echo "${KEPT-none} else"; unset KEPT; cd /`))
	if out != "none else\n" && out != "1 usr\n" {
		t.Errorf("state is in part: %q", out)
	}
}
