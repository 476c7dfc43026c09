package shell

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

var inputCases = []tortureCase{
	{name: "empty script", step: sh("")},
	{name: "only a comment", step: sh("# nothing")},
	{name: "only newlines", step: sh("\n\n\n")},
	{name: "no final newline", step: sh("exit 3"), code: 3},
	{name: "backslash at the end", step: sh("echo a \\\n b"), out: "a b\n"},
	{name: "heredoc", step: sh("cat <<E\none $((1+1))\n\ttab\nE\necho end"), out: "one 2\n\ttab\nend\n"},
	{name: "quoted heredoc", step: sh("cat <<'E'\n$x `y` \\z\nE\n"), out: "$x `y` \\z\n"},
	{name: "heredocs inside of each other", step: sh("sh <<'A'\ncat <<B\nin $((2+3))\nB\nA\n"), out: "in 5\n"},
	{name: "the server's own delimiters", step: sh("cat <<'X'\nEOS\nEOW\nEOC\n#E\n#:x\n.\nX\necho '#Q'"), out: "EOS\nEOW\nEOC\n#E\n#:x\n.\n#Q\n"},
	{name: "unicode", step: sh("printf '%s\\n' 'žluťoučký 馬 🐎 \u202eabc \u0301'"), out: "žluťoučký 馬 🐎 \u202eabc \u0301\n"},
	{name: "control characters in the script", step: sh("printf %s '\x03\x04\x11\x13\x15\x7f\r\t é'"), out: "\x03\x04\x11\x13\x15\x7f\r\t é"},
	{name: "bytes that are no characters in the script", step: sh("printf %s 'a\xff\xfeb\xc3'"), out: "a\xff\xfeb\xc3", other: yashText},
	{name: "quotes of every kind", step: sh(`printf '%s' "it's" 'a"b' \$x "\` + "`" + `c\\" '!' '%' '&&'`), out: "it'sa\"b$x`c\\!%&&"},
	{name: "a line of 50,000 characters", step: sh("echo " + strings.Repeat("y", 50_000)), out: strings.Repeat("y", 50_000) + "\n"},
	{name: "a script of more than 1 MB (sh server: 220 KB)", play: playLargeScript},
	{name: "a first line that names an interpreter", step: sh("#!/usr/bin/python3\necho sh"), out: "sh\n"},
	{name: "arguments", step: Step{Script: []byte(`for a; do printf '[%s]' "$a"; done`), Args: []string{"", "a b", "'", "$HOME", "x\ny", "-n", "*", "é\\"}},
		out: "[][a b]['][$HOME][x\ny][-n][*][é\\]"},
	{name: "an argument that is no text", step: Step{Script: []byte(`printf '[%s]' "$1"`), Args: []string{"\x01\xff\xc3"}}, out: "[\x01\xff\xc3]", other: yashText},
	{name: "200 arguments", step: Step{Script: []byte(`echo $# "${200}"`), Args: strings.Split(strings.Repeat("a ", 199)+"z", " ")}, out: "200 z\n"},
	{name: "environment", step: Step{Script: []byte(`printf '%s|%s|%s' "$A" "$B" "$C"`), Env: []EnvVar{{"A", "1"}, {"B", "it's\n\"$x\"\n"}, {"A", "2"}, {"C", "é`\\"}}},
		out: "2|it's\n\"$x\"\n|é`\\"},
	{name: "environment reaches programs", step: Step{Script: []byte(`env | grep '^SSM_ODD='`), Env: []EnvVar{{"SSM_ODD", "=a=b c"}}}, out: "SSM_ODD==a=b c\n"},
	{name: "environment of the step alone", play: playOwnEnvironment},
	{name: "a variable of 100 KB", step: Step{Script: []byte(`echo ${#BIG}`), Env: []EnvVar{{"BIG", strings.Repeat("v", size(100_000))}}}, out: fmt.Sprintln(size(100_000))},
	{name: "directory", step: Step{Script: []byte("pwd"), Dir: "/usr/bin"}, out: "/usr/bin\n"},
	{name: "directory missing", step: Step{Script: []byte("echo ran"), Dir: "/no/such/dir"}, code: dirMissing, anyErr: true},
	{name: "directory with an odd name", both: playOddDirectory},
	{name: "no input", step: sh("cat; echo done"), out: "done\n"},
	{name: "every byte as input", step: catStdin(string(allBytes())), out: string(allBytes())},
	{name: "U+FFFD and cut characters as input", step: catStdin("ab\ufffdcd\xc3"), out: "ab\ufffdcd\xc3"},
	{name: "lines that end a terminal's input", step: catStdin("a\n\x04\nb\x03\n~.\n"), out: "a\n\x04\nb\x03\n~.\n"},
	{name: "empty input", step: Step{Script: []byte("wc -c | tr -d ' '"), Stdin: []byte{}}, out: "0\n"},
	{name: "input of 500 KB (sh server: 100 KB)", play: playLargeInput},
	{name: "input read in part", step: Step{Script: []byte("read -r a; cat; echo \"[$a]\""), Stdin: []byte("one\ntwo\n")}, out: "two\n[one]\n"},
	{name: "input not read", step: Step{Script: []byte("echo ok"), Stdin: bytes.Repeat([]byte("x"), 100_000)}, out: "ok\n"},
	{name: "input closed at once", step: Step{Script: []byte("exec <&-; echo ok; exit 2"), Stdin: bytes.Repeat([]byte("x"), 100_000)}, out: "ok\n", code: 2},
	{name: "the script is not the input", step: Step{Script: []byte("cat\necho after"), Stdin: []byte("in\n")}, out: "in\nafter\n"},
	{name: "another interpreter", play: playPython},
	{name: "NUL is refused", both: playRefusals},
}

func playOwnEnvironment(t testing.TB, r *rig) {
	r.run(t, Step{Script: []byte(":"), Env: []EnvVar{{"A", "1"}, {"B", "2"}}, Dir: "/usr/bin"})
	out, _, _ := r.run(t, sh(`echo "${A-unset} ${B-unset}"; [ "$PWD" = /usr/bin ] || echo elsewhere`))
	if out != "unset unset\nelsewhere\n" {
		t.Errorf("got %q", out)
	}
}

func playOddDirectory(t testing.TB, r stepRunner) {
	dir := t.TempDir() + "/-a 'b'\n$c é"
	makeDir(t, dir)
	tortureCase{step: Step{Script: []byte("pwd; touch here; ls"), Dir: dir}, out: dir + "\nhere\n"}.check(t, r)
}

// slow is for the sh server, which takes a second for 100 KB.
func (r *rig) slow(n int) int {
	if r.serving().info.Server == "sh" {
		return n / 5
	}
	return n
}

func playLargeScript(t testing.TB, r *rig) {
	var b strings.Builder
	for i := 0; b.Len() < r.slow(size(1_100_000)); i++ {
		fmt.Fprintf(&b, "x%d='some words that fill the line' # and a comment; $(not run)\n", i%100)
	}
	b.WriteString("echo $x0; exit 9")
	tortureCase{step: sh(b.String()), out: "some words that fill the line\n", code: 9}.check(t, r)
}

func playLargeInput(t testing.TB, r *rig) {
	data := noise(r.slow(size(500_000)))
	tortureCase{step: catStdin(string(data)), out: string(data)}.check(t, r)
}

func playPython(t testing.TB, r *rig) {
	out, _, res := r.run(t, Step{Shell: "python3 -B", Script: []byte("import sys,os\nprint(sys.argv[1:], os.environ['A'], sys.stdin.read())\nsys.exit(3)\n"),
		Args: []string{"a b", "c"}, Env: []EnvVar{{"A", "1"}, {"PYTHONIOENCODING", "utf-8"}}, Stdin: []byte("in")})
	if out != "['a b', 'c'] 1 in\n" || res.ExitCode != 3 {
		t.Errorf("got %q %+v", out, res)
	}
	_, errs, res := r.run(t, Step{Shell: "nosuchinterpreter", Script: []byte("x")})
	if res.ExitCode != 127 || errs == "" {
		t.Errorf("missing interpreter: got %q %+v", errs, res)
	}
}

// playRefusals checks that what no target could run leaves nothing behind.
func playRefusals(t testing.TB, r stepRunner) {
	for _, step := range []Step{
		sh("echo a\x00b"),
		{Script: []byte("echo"), Env: []EnvVar{{"A", "\x00"}}},
		{Script: []byte("echo"), Args: []string{"a\x00"}},
		{Script: []byte("echo"), Dir: "/\x00"},
	} {
		var err error
		if session, ok := r.(*rig); ok {
			_, err = session.Run(t.Context(), step, nil, nil)
		} else {
			_, _, err = WrapCommand(step)
		}
		if err == nil || !strings.Contains(err.Error(), "NUL byte") {
			t.Errorf("%+v: got %v", step, err)
		}
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}

var yashText = map[string]string{"yash": "it reads nothing that is not UTF-8"}
