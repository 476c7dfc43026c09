package shell

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Each of these leaves a process behind, which prints its id and would hold the
// result back for a minute.
var processCases = []tortureCase{
	{name: "holds both streams", both: left("sleep 60 & echo $!")},
	{name: "holds stderr", both: left("sleep 60 >/dev/null & echo $!")},
	{name: "holds nothing", both: left("sleep 60 >/dev/null 2>&1 </dev/null & echo $!")},
	{name: "nohup", both: left("nohup sleep 60 2>/dev/null & echo $!")},
	{name: "setsid", both: left("setsid sh -c 'echo $$; exec sleep 60' & sleep 0.2")},
	{name: "double fork", both: left("(sh -c 'echo $$; exec sleep 60' &) & wait; sleep 0.2")},
	{name: "ignores HUP, INT and TERM", both: left("(trap '' HUP INT TERM; exec sleep 60) & echo $!")},
	{name: "is stopped", both: left("sleep 60 & kill -STOP $!; echo $!")},
	{name: "holds the input", both: left("exec 5<&0; sleep 60 <&5 & echo $!")},
	{name: "writes to its streams without end", both: left("yes flood & echo $!")},
	{name: "writes later", both: playLater},
	{name: "is the child of one that was killed", both: left("sh -c 'sleep 60 & echo $!; kill -9 $$' 2>/dev/null")},
	{name: "remains after set -e", both: left("sleep 60 & echo $!; set -e; false")},
	{name: "remains after exec", both: left("sleep 60 & echo $!; exec true")},
	{name: "remains after kill -9 $$", both: left("sleep 60 & echo $!; kill -9 $$")},
	{name: "10 children at a time", step: sh("for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01; echo x) & done; wait"), out: strings.Repeat("x\n", 10)},
	{name: "children that are not waited for", step: sh("for i in 1 2 3 4 5 6 7 8 9 10; do : & done; echo x"), out: "x\n"},
	{name: "1,000 zombies", both: playZombies},
	{name: "a pipeline of 30", step: sh("echo deep" + strings.Repeat(" | cat", 30)), out: "deep\n"},
}

// left checks that a step's result is there at once, with what it printed
// first, and that its process goes on.
func left(script string) func(t testing.TB, r stepRunner) {
	return func(t testing.TB, r stepRunner) {
		began := time.Now()
		out, _, res := r.run(t, sh(script))
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("took %v", took)
		}
		line, _, _ := strings.Cut(out, "\n")
		if line == "flood" { // its first lines came before the id
			line = trim(strings.ReplaceAll(out, "flood\n", ""))
			line, _, _ = strings.Cut(line, "\n")
		}
		pid, _ := strconv.Atoi(line)
		if pid <= 1 {
			t.Fatalf("no process id in %s", brief(out))
		}
		if !alive(pid) {
			t.Errorf("background process %d has gone", pid)
		}
		if !res.Verified() {
			t.Errorf("not verified: %+v", res)
		}
		tortureCase{step: sh(fmt.Sprintf("kill -9 %d; echo ok", pid))}.after(t, r)
	}
}

// playLater leaves one that writes when the next step has begun.
func playLater(t testing.TB, r stepRunner) {
	gate := []string{t.TempDir() + "/gate"}
	first := Step{Script: []byte(`(until [ -e "$1" ]; do sleep 0.05; done; echo late; echo late >&2) & echo first`), Args: gate}
	tortureCase{step: first, out: "first\n"}.check(t, r)
	then := Step{Script: []byte(`: >"$1"; sleep 0.2; echo mine`), Args: gate}
	tortureCase{step: then, out: "mine\n"}.check(t, r)
	tortureCase{step: sh("echo mine"), out: "mine\n"}.check(t, r)
}

func playZombies(t testing.TB, r stepRunner) {
	script := fmt.Sprintf("PERL_BADLANG=0 perl -e 'for (1 .. %d) { fork or exit } print qq(zombies\\n)'; exit 3", size(1000))
	tortureCase{step: sh(script), out: "zombies\n", code: 3}.check(t, r)
}
