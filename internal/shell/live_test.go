package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// typing answers what a step asks: each question is waited for in its output.
type typing struct {
	mu    sync.Mutex
	out   bytes.Buffer
	asks  [][2]string
	input chan []byte
	ends  bool // the input, with the last answer
}

func (y *typing) Write(p []byte) (int, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.out.Write(p)
	for len(y.asks) > 0 && strings.Contains(y.out.String(), y.asks[0][0]) {
		y.input <- []byte(y.asks[0][1])
		if y.asks = y.asks[1:]; len(y.asks) == 0 && y.ends {
			close(y.input)
		}
	}
	return len(p), nil
}

// converse runs a step with its questions and answers.
func (r *rig) converse(t *testing.T, step Step, asks ...[2]string) (stdout, stderr string, res Result) {
	t.Helper()
	y := &typing{asks: asks, input: make(chan []byte, len(asks))}
	step.Input = y.input
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var errs bytes.Buffer
	res, err := r.Run(ctx, step, y, &errs)
	if err != nil {
		t.Fatalf("run %.200q: %v\noutput %q\nscreen: %s", step.Script, err, y.out.String(), r.Screen())
	}
	return y.out.String(), errs.String(), res
}

func onTerminal(script string) Step { return Step{Script: []byte(script), Terminal: true} }

// eachServer runs a test with every step server.
func eachServer(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, name := range []string{"perl", "python3", "sh"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, boot(t, []string{"/bin/dash"}, agent, Options{Servers: []string{name}}))
		})
	}
}

func TestStepHasATerminalOfItsOwn(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		out, errs, res := r.run(t, onTerminal(`[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; (: </dev/tty) && echo own; stty size; echo oops >&2; exit 7`))
		if out != "all\nown\n50 240\noops\n" || errs != "" || res.ExitCode != 7 || !res.Verified() {
			t.Errorf("got %q %q %+v", out, errs, res)
		}
		if out, _, _ := r.run(t, sh("if (: </dev/tty) 2>/dev/null; then echo tty; else echo none; fi")); out != "none\n" {
			t.Errorf("the next step: got %q", out)
		}
		if out, _, res := r.run(t, onTerminal("cd /usr; export A=b; printf '\\001\\r\\n\\t\\377end'")); out != "\x01\r\n\t\xffend" || !res.StateSaved {
			t.Errorf("bytes: got %q %+v", out, res)
		}
		if out, _, _ := r.run(t, onTerminal("echo $PWD $A")); out != "/usr b\n" {
			t.Errorf("carried: got %q", out)
		}
	})
}

func TestTerminalOutputIsWhole(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		var want strings.Builder
		for i := 1; i <= 20_000; i++ {
			fmt.Fprintln(&want, i)
		}
		out, _, res := r.run(t, onTerminal("seq 20000"))
		if out != want.String() || !res.Verified() {
			t.Errorf("got %d bytes of %d, %+v", len(out), want.Len(), res)
		}
	})
}

func TestInputIsTyped(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		step := onTerminal(`printf 'name? '; read -r n; stty -echo; printf 'word? '; read -r w; stty echo; echo; echo "[$n][$w]"`)
		out, _, res := r.converse(t, step, [2]string{"name? ", "ann\r"}, [2]string{"word? ", "hidden é'\"$x\r"})
		if want := "name? ann\nword? \n[ann][hidden é'\"$x]\n"; out != want || res.ExitCode != 0 || !res.Verified() {
			t.Errorf("got %q, want %q; %+v", out, want, res)
		}
	})
}

func TestInputGoesToAPipe(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		step := sh(`printf 'name? '; read -r n; printf 'word? ' >&2; echo "[$n]"; cat`)
		y := &typing{ends: true, input: make(chan []byte, 4), asks: [][2]string{{"name? ", "ann\n"}, {"[ann]", "more\x00\n"}}}
		step.Input = y.input
		var errs bytes.Buffer
		res, err := r.Run(t.Context(), step, y, &errs)
		if err != nil || y.out.String() != "name? [ann]\nmore\x00\n" || errs.String() != "word? " || !res.Verified() {
			t.Errorf("got %q %q %+v %v", y.out.String(), errs.String(), res, err)
		}
	})
}

// The step takes nothing at first, so that the server has to wait for it.
func TestMuchInputWaitsForTheStep(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		const size = 200_000
		input := make(chan []byte, 1)
		input <- bytes.Repeat([]byte("0123456789abcde\n"), size/16)
		close(input)
		step := sh("sleep 0.5; wc -c")
		step.Input = input
		var out bytes.Buffer
		res, err := r.Run(t.Context(), step, &out, nil)
		if err != nil || trim(out.String()) != fmt.Sprint(size) {
			t.Errorf("got %q %+v %v", out.String(), res, err)
		}
		if out, _, _ := r.run(t, catStdin(strings.Repeat("x", 200_000))); len(out) != 200_000 {
			t.Errorf("next step: got %d bytes", len(out))
		}
	})
}

func TestInputThatIsNotTakenDelaysNothing(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		input := make(chan []byte, 1)
		input <- bytes.Repeat([]byte("x"), 300_000)
		step := onTerminal("sleep 0.3; exit 3")
		step.Input = input
		res, err := r.Run(t.Context(), step, io.Discard, nil)
		if err != nil || res.ExitCode != 3 {
			t.Errorf("got %+v %v", res, err)
		}
		if out, _, _ := r.run(t, catStdin(strings.Repeat("x", 200_000))); len(out) != 200_000 {
			t.Errorf("next step: got %d bytes", len(out))
		}
	})
}

func TestTerminalStepIsCancelled(t *testing.T) {
	cases := map[string]string{
		"plain":             "echo up; sleep 60",
		"a job in front":    "set -m; echo up; sleep 60",
		"raw terminal":      "stty raw -echo; echo up; sleep 60",
		"ignores INT, TERM": "trap '' INT TERM; echo up; while :; do sleep 0.2; done",
	}
	for name, script := range cases {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, r *rig) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				up := &typing{input: make(chan []byte)}
				step := onTerminal(script)
				step.Grace = 300 * time.Millisecond
				time.AfterFunc(500*time.Millisecond, cancel)
				res, err := r.Run(ctx, step, up, nil)
				if err != nil || !res.Cancelled || res.ExitCode < 128 || res.Escaped {
					t.Errorf("got %+v %v, output %q", res, err, up.out.String())
				}
				if out, _, _ := r.run(t, sh("echo next")); out != "next\n" {
					t.Errorf("next step: %q", out)
				}
			})
		})
	}
}

func TestTerminalHangsUpAtTheEnd(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		began := time.Now()
		out, _, res := r.run(t, onTerminal("sleep 77 & echo $!"))
		if took := time.Since(began); res.ExitCode != 0 || took > 5*time.Second {
			t.Errorf("after %s: %+v", took, res)
		}
		var pid int
		fmt.Sscan(out, &pid)
		for end := time.Now().Add(5 * time.Second); alive(pid) && time.Now().Before(end); {
			r.run(t, sh("sleep 0.1"))
		}
		if pid == 0 || alive(pid) {
			t.Errorf("process %d of %q is still there", pid, out)
		}
		if _, _, res := r.run(t, onTerminal("nohup sleep 2 >/dev/null 2>&1 & trap '' HUP; sleep 2 & exit 5")); res.ExitCode != 5 {
			t.Errorf("with a holder: %+v", res)
		}
	})
}

func TestInputIsInNoProcessList(t *testing.T) {
	eachServer(t, func(t *testing.T, r *rig) {
		script := `stty -echo; printf 'word? '; read -r w; sleep 0.3; case $(cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\000' '\n') in *"$w"*) echo seen;; *sleep*|*sh*) echo hidden;; esac`
		out, _, _ := r.converse(t, onTerminal(script), [2]string{"word? ", "secret-" + randomID(8) + "\r"})
		if out != "word? hidden\n" {
			t.Errorf("got %q", out)
		}
	})
}
