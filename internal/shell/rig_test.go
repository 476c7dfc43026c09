package shell

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is one session: a real shell on a real pty, and the agent's habits
// between it and a Client.
type rig struct {
	*Client
	tty  *os.File
	cmd  *exec.Cmd
	wire atomic.Int64 // bytes that the session's output had
}

// habits are what the agent does to a session (session/shell/shell.go).
type habits struct {
	pace    time.Duration // sleep after each read of 1,024 bytes
	first   time.Duration // before the first output is read
	latency time.Duration // one way
	exact   bool          // no UTF-8 handling
	ascii   bool          // bytes that are not ASCII become question marks
}

// agent is the real agent's pace without its first second.
var agent = habits{pace: time.Millisecond}

// shells are the command lines of the session's shell; those whose program is
// not installed are left out.
func shells(t testing.TB) map[string][]string {
	all := map[string][]string{
		"dash":       {"dash"},
		"bash":       {"bash", "--norc"},
		"bash-posix": {"bash", "--posix", "--norc"},
		"bash-login": {"bash", "-l"},
		"zsh":        {"zsh", "-f"},
		"fish":       {"fish", "--no-config"},
		"busybox":    {"busybox", "sh"},
		"ksh":        {"ksh"},
		"mksh":       {"mksh"},
		"yash":       {"yash"},
	}
	for name, argv := range all {
		if _, err := exec.LookPath(argv[0]); err != nil {
			t.Logf("%s is not installed", name)
			delete(all, name)
		}
	}
	return all
}

func newRig(t testing.TB, argv []string, h habits, opts Options, env ...string) *rig {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	home := t.TempDir()
	if opts.static == nil {
		opts.static = func() string { return placeStatic(t) }
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8", "HOME=" + home}, env...)
	cmd.Dir = home
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{tty: tty, cmd: cmd}
	in, inDone := delayed(tty, h.latency)
	r.Client = New(in, opts)
	out, outDone := delayed(r.Client, h.latency)
	read := make(chan struct{})
	go func() {
		defer close(read)
		time.Sleep(h.first)
		copyAsAgent(io.MultiWriter(out, (*tally)(&r.wire)), tty, h)
		r.Lost(io.EOF)
	}()
	t.Cleanup(func() {
		r.Quit()
		time.AfterFunc(2*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		tty.Close()
		<-read
		in.Close()
		out.Close()
		<-inDone
		<-outDone
	})
	return r
}

func boot(t testing.TB, argv []string, h habits, opts Options, env ...string) *rig {
	t.Helper()
	r := newRig(t, argv, h, opts, env...)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	info, err := r.Boot(ctx)
	if err != nil {
		t.Fatalf("boot: %v\nscreen: %s", err, r.Screen())
	}
	if len(opts.Servers) == 1 && info.Server != opts.Servers[0] {
		t.Fatalf("server is %s, want %s", info.Server, opts.Servers[0])
	}
	return r
}

// serving returns the step server of the moment.
func (r *rig) serving() *server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server
}

// tally counts what is written to it.
type tally atomic.Int64

func (n *tally) Write(p []byte) (int, error) {
	(*atomic.Int64)(n).Add(int64(len(p)))
	return len(p), nil
}

// copyAsAgent reproduces processStdoutData: reads of 1,024 bytes, U+FFFD cut
// to its first byte, up to three bytes of an unfinished character held back
// for the next read and lost at the end.
func copyAsAgent(w io.Writer, tty io.Reader, h habits) {
	buf := make([]byte, 1024)
	var held []byte
	for {
		n, err := tty.Read(buf)
		if err != nil {
			return
		}
		b := append(held, buf[:n]...)
		held = nil
		var out []byte
		for len(b) > 0 {
			if h.exact {
				out, b = append(out, b...), nil
				break
			}
			c, size := utf8.DecodeRune(b)
			if c == utf8.RuneError && size == 1 && len(b) < utf8.UTFMax && !utf8.FullRune(b) {
				held = bytes.Clone(b)
				break
			}
			if c == utf8.RuneError {
				out, b = append(out, b[0]), b[size:]
				continue
			}
			out, b = append(out, b[:size]...), b[size:]
		}
		for i, c := range out {
			if h.ascii && c >= utf8.RuneSelf {
				out[i] = '?'
			}
		}
		if _, err := w.Write(out); err != nil {
			return
		}
		time.Sleep(h.pace)
	}
}

type delayedWriter struct {
	w     io.Writer
	d     time.Duration
	queue chan packet
	once  sync.Once
}

type packet struct {
	due  time.Time
	data []byte
}

// delayed delivers writes after d, in order; without d at once.
func delayed(w io.Writer, d time.Duration) (*delayedWriter, chan struct{}) {
	dw := &delayedWriter{w: w, d: d, queue: make(chan packet, 1024)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range dw.queue {
			time.Sleep(time.Until(p.due))
			w.Write(p.data)
		}
	}()
	return dw, done
}

func (d *delayedWriter) Write(p []byte) (int, error) {
	if d.d == 0 {
		return d.w.Write(p)
	}
	d.queue <- packet{time.Now().Add(d.d), bytes.Clone(p)}
	return len(p), nil
}

func (d *delayedWriter) Close() { d.once.Do(func() { close(d.queue) }) }

// run runs a step that must not be lost.
func (r *rig) run(t testing.TB, step Step) (stdout, stderr string, res Result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	res, e := r.Run(ctx, step, &out, &err)
	if e != nil {
		t.Fatalf("run %.200q: %v\nscreen: %s", step.Script, e, r.Screen())
	}
	return out.String(), err.String(), res
}

func sh(script string) Step { return Step{Script: []byte(script)} }

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func trim(s string) string { return strings.TrimSpace(s) }
