package shell

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// emitted is a step whose stdout is a file's bytes.
func emitted(name string, data []byte) tortureCase {
	return tortureCase{name: name, step: sh(`cat "$1"`), emit: data, out: string(data)}
}

func repeated(text string, n int) []byte { return bytes.Repeat([]byte(text), n) }

// ansiStorm is what programs do to a terminal, and what a terminal would answer.
var ansiStorm = repeated("\x1b[31;1mred\x1b[0m\x1b[2J\x1b[H\x1b[?1049h\x1b]0;title\x07\x1b[c\x1b[6n\x1bc\x1b#8\x0e\x0f\x9b5n\x1b[?2004h\r\x1b[K", 300)

var zipped = func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(noise(3000))
	z.Close()
	return b.Bytes()
}()

var byteCases = []tortureCase{
	{name: "no output", step: sh("true")},
	{name: "one byte", step: sh("printf x"), out: "x"},
	{name: "no final newline", step: sh("printf 'abc\\ndef'"), out: "abc\ndef"},
	{name: "only newlines", step: sh(`printf '\n\n\n'`), out: "\n\n\n"},
	{name: "NUL", step: sh(`printf 'a\000b\000'`), out: "a\x00b\x00"},
	emitted("every byte", allBytes()),
	emitted("every byte, backwards, 20 times", bytes.Repeat(reversed(allBytes()), 20)),
	emitted("4,096 NULs", make([]byte, 4096)),
	emitted("invalid UTF-8", []byte("tail\xff\xfe\xc3")),
	emitted("a character cut at the end", []byte("caf\xc3")),
	emitted("a character cut after three of four bytes", []byte("\xf0\x9f\x98")),
	emitted("U+FFFD", []byte("ab\ufffdcdefgh\ufffd")),
	emitted("U+FFFD at every offset of 1,024 bytes", repeated("\ufffdx", 3000)),
	emitted("surrogates and overlong forms", []byte("\xed\xa0\x80\xc0\xaf\xf8\x88\x80\x80\x80\xf4\x90\x80\x80")),
	emitted("characters across reads of 1,024 bytes", repeated("€𝄞é", 1500)),
	emitted("UTF-16 with its mark", []byte("\xff\xfeh\x00i\x00\r\x00\n\x00")),
	emitted("CRLF and lone CR", []byte("a\r\nb\r\n\rc\r\r\n\r")),
	emitted("control characters", []byte("\x03\x04\x11\x13\x15\x16\x1a\x1c\x7f\x00\x08\x0b\x0c")),
	emitted("a storm of ANSI sequences", ansiStorm),
	emitted("a line of 1 MB", repeated("x", size(1<<20))),
	emitted("lines of 4,095, 4,096 and 4,097", []byte(strings.Repeat("a", 4095)+"\n"+strings.Repeat("b", 4096)+"\n"+strings.Repeat("c", 4097)+"\n")),
	emitted("20,000 empty lines", repeated("\n", 20_000)),
	emitted("exactly 48 KiB", noise(48<<10)),
	emitted("64 KiB less one", noise(64<<10-1)),
	emitted("64 KiB and one", noise(64<<10+1)),
	emitted("1 MB of noise", noise(size(1<<20))),
	emitted("1 MB that compresses", repeated("a log line that repeats itself\n", size(1<<20)/31)),
	emitted("a gzip file", zipped),
	emitted("base64 text", []byte(base64.StdEncoding.EncodeToString(noise(3000))+"\n")),
	{name: "every byte on stderr", step: sh(`cat "$1" >&2`), emit: allBytes(), errs: string(allBytes())},
	{name: "both streams large", both: playBothLarge},
	{name: "written byte by byte", step: sh(`for c in a b c d e f g h; do printf $c; printf $c >&2; done`), out: "abcdefgh", errs: "abcdefgh"},
	{name: "a pause inside of a character", step: sh(`printf '\303'; sleep 0.4; printf '\251\n'`), out: "é\n"},
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}

func playBothLarge(t testing.TB, r stepRunner) {
	data := noise(size(400_000))
	tc := tortureCase{step: sh(`cat "$1" & cat "$1" >&2; wait`), emit: data, out: string(data), errs: string(data)}
	tc.check(t, r)
}

func numbered(prefix string, n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "%s%d\n", prefix, i)
	}
	return b.String()
}

// What a script does to its descriptors. The prologue's own are 8, 9 and 57.
var streamCases = []tortureCase{
	{name: "stderr only", step: sh("echo oops >&2"), errs: "oops\n"},
	{name: "both streams", step: sh("for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"), out: numbered("o", 9), errs: numbered("e", 9)},
	{name: "stderr into stdout", step: sh("exec 2>&1; echo a; echo b >&2; echo c"), out: "a\nb\nc\n"},
	{name: "the streams exchanged", step: sh("exec 3>&1 1>&2 2>&3 3>&-; echo to stderr; echo to stdout >&2"), out: "to stdout\n", errs: "to stderr\n"},
	{name: "stdout closed", step: sh("exec >&-; echo lost 2>/dev/null; echo kept >&2; exit 4"), errs: "kept\n", code: 4},
	{name: "both closed", step: sh("exec >&- 2>&-; sleep 0.05; exit 4"), code: 4},
	{name: "all three closed", step: sh("exec <&- >&- 2>&-; exit 6"), code: 6},
	{name: "descriptors 3 to 9 closed", step: sh("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; echo ok; exit 3"), out: "ok\n", code: 3},
	{name: "descriptors 3 to 9 redirected", step: sh("exec 3>/dev/null 4>&3 5>&3 6>&3 7>&3 8>&3 9>&1; echo a >&7; echo b >&9"), out: "b\n"},
	{name: "descriptors 8 and 9 are the script's own", step: sh("(: <&8) 2>/dev/null && echo 8; (: <&9) 2>/dev/null && echo 9; true")},
	{name: "stdout is a file for a while", step: sh(`f=$(TMPDIR=. mktemp); exec 6>&1 >"$f"; echo hidden; exec >&6 6>&-; cat "$f"; rm "$f"`), out: "hidden\n"},
	{name: "/dev/stdout and /dev/stderr", step: sh("echo a >/dev/stdout; echo b >/dev/stderr; echo c >>/dev/fd/1"), out: "a\nc\n", errs: "b\n"},
	{name: "writing to stdin", step: sh("(echo x >&0) 2>/dev/null; echo done"), out: "done\n"},
	{name: "no terminal", step: sh("if (: </dev/tty) 2>/dev/null; then echo tty; else echo none; fi; stty raw echo 2>/dev/null; test -t 0 || test -t 1 || test -t 2 || echo pipes"), out: "none\npipes\n"},
	{name: "a pipe whose reader leaves", step: sh("yes | head -n 3"), out: "y\ny\ny\n"},
	{name: "a writer that outlives its reader", step: sh("(trap '' PIPE; yes 2>/dev/null) | head -c 4; echo; echo end"), out: "y\ny\n\nend\n"},
	{name: "tee to both", step: sh("echo twice | tee /dev/stderr"), out: "twice\n", errs: "twice\n"},
	{name: "output of a subshell that was killed", step: sh("{ sh -c 'echo early; kill -9 $$'; } 2>/dev/null; echo late"), out: "early\nlate\n"},
}
