package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// split is github.com/google/shlex's splitting, as far as a quoted line needs:
// what is in single quotes is literal, a backslash outside takes one character.
func split(t testing.TB, line string) (words []string) {
	t.Helper()
	var word strings.Builder
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\'':
			quoted = false
		case quoted:
			word.WriteByte(c)
		case c == '\'':
			in, quoted = true, true
		case c == '\\':
			i++
			in = true
			word.WriteByte(line[i])
		case c == ' ':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteByte(c)
		}
	}
	if quoted {
		t.Fatal("unterminated quote")
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

func runWrapped(t testing.TB, step Step) (stdout, stderr string, res Result, code int) {
	t.Helper()
	line, trailer, err := WrapCommand(step)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []byte(line) {
		if c >= 0x80 || c < ' ' && c != '\n' {
			t.Fatalf("the line has the byte %#x", c)
		}
	}
	words := split(t, line)
	var out, errs bytes.Buffer
	trailer.SetOutput(&out, &errs)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = trailer.Stdout(), trailer.Stderr()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	res, err = trailer.Result()
	if err != nil {
		t.Fatalf("%v: %s", err, trailer.Screen())
	}
	return out.String(), errs.String(), res, cmd.ProcessState.ExitCode()
}

func TestWrappedCommandDoesNotWaitForWhatItLeavesBehind(t *testing.T) {
	began := time.Now()
	out, _, res, _ := runWrapped(t, sh("sleep 20 & echo $!"))
	if time.Since(began) > 10*time.Second || !res.Verified() {
		t.Errorf("took %v, %+v", time.Since(began), res)
	}
	exec.Command("kill", trim(out)).Run()
}

func TestWrappedCommandStopsWhenInterrupted(t *testing.T) {
	line, trailer, err := WrapCommand(sh("echo up; exec sleep 60"))
	if err != nil {
		t.Fatal(err)
	}
	words := split(t, line)
	cmd := exec.Command(words[0], words[1:]...)
	up := make(chan struct{}, 1)
	trailer.SetOutput(writerFunc(func(p []byte) (int, error) { wake(up); return len(p), nil }), nil)
	cmd.Stdout, cmd.Stderr = trailer.Stdout(), trailer.Stderr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-up
	began := time.Now()
	if err := exec.Command("kill", "-INT", strconv.Itoa(cmd.Process.Pid)).Run(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	res, err := trailer.Result()
	if err != nil || res.ExitCode != 143 || time.Since(began) > 20*time.Second {
		t.Errorf("got %+v, %v after %v", res, err, time.Since(began))
	}
}

func TestWrappedCommandCutShortIsLost(t *testing.T) {
	line, trailer, err := WrapCommand(sh("echo a; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	words := split(t, line)
	all, _ := exec.Command(words[0], words[1:]...).Output()
	trailer.Stdout().Write(all[:len(all)-20])
	var lost *LostError
	if _, err := trailer.Result(); !errors.As(err, &lost) {
		t.Errorf("got %v, want a LostError", err)
	}
}

func TestWrapCommandRefuses(t *testing.T) {
	for name, step := range map[string]Step{
		"stdin":    {Script: []byte("cat"), Stdin: []byte{}},
		"user":     {Script: []byte("id"), User: "root"},
		"NUL":      sh("echo \x00"),
		"length":   sh(strings.Repeat("x", 70_000)),
		"variable": {Env: []EnvVar{{"A-B", "x"}}},
		"shell":    {Shell: "sh; reboot"},
	} {
		if _, _, err := WrapCommand(step); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// That the end has come is known while the session goes on.
func TestWrappedCommandHasEnded(t *testing.T) {
	line, trailer, err := WrapCommand(Step{Script: []byte("exit 3")})
	if err != nil {
		t.Fatal(err)
	}
	words := split(t, line)
	said, _ := exec.Command(words[0], words[1:]...).Output()
	last := bytes.LastIndexByte(bytes.TrimRight(said, "\n"), '\n') + 1
	_, _ = trailer.Stdout().Write(said[:last])
	if trailer.Ended() {
		t.Errorf("it has ended without %q", said[last:])
	}
	_, _ = trailer.Stdout().Write(said[last:])
	if res, err := trailer.Result(); !trailer.Ended() || err != nil || res.ExitCode != 3 {
		t.Errorf("ended %t, %+v, %v", trailer.Ended(), res, err)
	}
}

// bulkFrame ends a frame that perl or python3 has made: sh knows no CRC-32.
var bulkFrame = regexp.MustCompile(`(?m)^@[0-9a-f]+ [OE] 1 [0-9]+ [bz] [0-9]+ r[0-9a-f]{8} `)

// Large output is left to perl or python3 where there is one, in the middle of
// the stream.
func TestWrappedCommandSendsLargeOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "noise")
	data := noise(600_000)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		missing []string
		fast    bool
	}{
		"perl":    {[]string{"python3"}, true},
		"python3": {[]string{"perl"}, true},
		"neither": {[]string{"perl", "python3"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, trailer, err := WrapCommand(sh("cat " + file + "; cat " + file + " >&2; seq 20000; sleep 5 & printf end; exit 3"))
			if err != nil {
				t.Fatal(err)
			}
			words := split(t, line)
			var out, errs, wire bytes.Buffer
			trailer.SetOutput(&out, &errs)
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Env = []string{"PATH=" + toolsWithout(t, tc.missing...) + ":" + only(t, "seq")}
			cmd.Stdout = io.MultiWriter(trailer.Stdout(), &wire)
			cmd.Stderr = trailer.Stderr()
			cmd.Run()
			res, err := trailer.Result()
			if err != nil || !res.Verified() || res.ExitCode != 3 {
				t.Fatalf("got %+v, %v: %s", res, err, trailer.Screen())
			}
			var seq bytes.Buffer
			for i := 1; i <= 20000; i++ {
				fmt.Fprintln(&seq, i)
			}
			if want := string(data) + seq.String() + "end"; out.String() != want || errs.String() != string(data) {
				t.Errorf("got %d and %d bytes, want %d and %d, or others", out.Len(), errs.Len(), len(want), len(data))
			}
			if got := bulkFrame.Match(wire.Bytes()); got != tc.fast {
				t.Errorf("another than sh has framed: %v, want %v", got, tc.fast)
			}
		})
	}
}

// only is a directory with one program of the machine.
func only(t *testing.T, name string) string {
	dir := t.TempDir()
	path, err := exec.LookPath(name)
	if err == nil {
		err = os.Symlink(path, filepath.Join(dir, name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
