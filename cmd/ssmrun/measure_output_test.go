//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var measureBytes = flag.Int64("measure.bytes", 100_000_000, "bytes of a step's output that -measure times")

// messageRate is how fast the lab's agent sends the output of commands here.
const messageRate = 5_000_000

// TestMeasureOutput prints how fast large output of one step arrives, whole: noise,
// which does not compress, and numbers, which do. A session of the command kind is
// held against the rate of the lab's messages, one of the shell kind against text
// that `start-session` brings through the same agent, which pauses after each message.
func TestMeasureOutput(t *testing.T) {
	size, targets := *measureBytes, []string{"perl", "python3", "sh"}
	if !measures(t) {
		size, targets = 300_000, targets[:1]
	}
	files := map[string]string{"noise": outputFile(t, size, noise), "numbers": outputFile(t, size, counting)}
	for _, target := range targets {
		path := "  env = { PATH = \"" + programsWithout(t, servers[target]...) + "\" }\n"
		t.Run("command/"+target, func(t *testing.T) {
			lab := newBulk(t, path, fmt.Sprintf("agent {\n  output_rate = %d\n}\n", messageRate))
			for _, name := range []string{"noise", "numbers"} {
				o := lab.apply("command", files[name], size)
				t.Logf("%s: %.1f s, %.2f MB/s; client %.1f s of CPU; as base64 %.1f %% of the rate of messages", name, o.took.Seconds(), megabytes(size, o.took),
					o.cpu.Seconds(), 100*megabytes(size, o.took)*4/3/messageRate*1e6)
			}
		})
		t.Run("shell/"+target, func(t *testing.T) {
			lab := newBulk(t, path, "")
			allowed := lab.plainText(size / 10)
			for _, name := range []string{"noise", "numbers"} {
				o := lab.apply("shell", files[name], size)
				speed := megabytes(size, o.took)
				t.Logf("%s: %.1f s, %.3f MB/s; client %.1f s of CPU; the pauses allow %.3f MB/s, it is %.1f %% of that", name, o.took.Seconds(), speed, o.cpu.Seconds(), allowed, 100*speed/allowed)
			}
		})
	}
}

func megabytes(n int64, d time.Duration) float64 { return float64(n) / 1e6 / d.Seconds() }

// noise writes bytes that do not compress, the same each time.
func noise(w io.Writer, n int64) {
	seed := [32]byte{'s', 's', 'm', 'r', 'u', 'n'}
	io.CopyN(w, rand.NewChaCha8(seed), n)
}

// counting writes what seq prints.
func counting(w io.Writer, n int64) {
	var text []byte
	for i := 1; n > 0; i++ {
		text = fmt.Appendln(text[:0], i)
		text = text[:min(int64(len(text)), n)]
		w.Write(text)
		n -= int64(len(text))
	}
}

// outputFile is a file that the nodes' user can read.
func outputFile(t testing.TB, n int64, fill func(io.Writer, int64)) string {
	t.Helper()
	path := filepath.Join(readable(t), "output")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriterSize(file, 1<<20)
	fill(buffered, n)
	if err := errors.Join(buffered.Flush(), file.Close(), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// bulk is a lab whose node prints much.
type bulk struct {
	t    testing.TB
	path string // an attribute of the node: its programs
	more string // of the lab
}

func newBulk(t testing.TB, path, more string) *bulk { return &bulk{t, path, more} }

// serve starts a lab of one node with this shell.
func (b *bulk) serve(dir, attributes string) *servedLab {
	write(b.t, filepath.Join(dir, "n.lab.hcl"), "nodes \"n\" {\n  ids = [\""+besideTarget+"\"]\n"+attributes+"}\n"+b.more)
	return startLab(b.t, dir, false)
}

// arrived is a large output that has come.
type arrived struct {
	took time.Duration // from the step's start to its end
	cpu  time.Duration // of the client
}

// apply runs a step that prints a file, and compares what came of it.
func (b *bulk) apply(kind, file string, size int64) arrived {
	t := b.t
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "m.ssm.hcl"), fmt.Sprintf("session \"m\" {\n  target = %q\n  kind   = %q\n  max_output = %d\n"+
		"  step \"s\" {\n    command = [\"cat\", %q]\n  }\n}\n", besideTarget, kind, size, file))
	served := b.serve(dir, b.path)
	cmd := command(dir, "apply", "-auto-approve", "-json")
	cmd.Env = append(os.Environ(), served.environ...)
	var o arrived
	var began time.Time
	o.cpu = runEvents(t, cmd, func(e logged) {
		switch e.Type {
		case "step_start":
			began = e.At
		case "step_complete":
			o.took = e.At.Sub(began)
			if e.Bytes != size || !e.Verified || e.SHA256 != digestOf(t, file, size) {
				t.Errorf("%d bytes came of %d, or others; verified: %v", e.Bytes, size, e.Verified)
			}
		}
	})
	return o
}

// plainText is how many megabytes a second of text start-session brings.
func (b *bulk) plainText(n int64) float64 {
	t := b.t
	t.Helper()
	file := outputFile(t, n, func(w io.Writer, n int64) { io.WriteString(w, strings.Repeat("x", int(n))) })
	dir := t.TempDir()
	served := b.serve(dir, fmt.Sprintf("  shell = %q\n", "sh -c 'stty raw; cat "+file+"'"))
	cmd := command(dir, "start-session", "--target", besideTarget)
	cmd.Env = append(os.Environ(), served.environ...)
	begun := time.Now()
	u := measured(t, cmd, "xxx")
	if u.stdout < n {
		t.Fatalf("%d bytes came of %d", u.stdout, n)
	}
	return megabytes(n, time.Since(begun)-u.first)
}

// digestOf is the SHA-256 of a file's first n bytes.
func digestOf(t testing.TB, path string, n int64) string {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h := sha256.New()
	io.Copy(h, io.LimitReader(file, n))
	return hex.EncodeToString(h.Sum(nil))
}
