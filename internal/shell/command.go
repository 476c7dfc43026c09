package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/ssmrun/ssmrun/internal/quote"
)

// maxCommand bounds a command line: StartSession takes 65,535 characters in a
// parameter, and Linux 128 KiB in one argument.
const maxCommand = 65_535

// wideLine is the payload of a line where there is no terminal. With what stands
// before it, it is still one write to any shell and to a pipe.
const wideLine = 3900

// WrapCommand makes the command line for a step over a command-kind session
// (NonInteractiveCommands), and what takes its output apart. The agent splits
// the line and executes it without a shell, gives it no input, and does not
// pass every byte on unchanged; so the line is an `sh -c` whose output is
// framed as the step server's is, and ends in a trailer. The target needs a
// POSIX sh and base64, openssl or od. The command exits with the step's code.
//
// The line is visible in the target's process list and in AWS's records of the
// session: a secret must not be in the step. Refused are standard input,
// another user, a script or environment with a NUL byte, and what makes the
// line longer than 65,535 characters. State does not carry to another session.
func WrapCommand(step Step) (command string, trailer *Trailer, err error) {
	if step.Stdin != nil {
		return "", nil, errors.New("wrap command: a command-kind session has no standard input; use a session of kind shell")
	}
	if step.User != "" {
		return "", nil, errors.New("wrap command: another user needs a session of kind shell")
	}
	if err := step.check(); err != nil {
		return "", nil, fmt.Errorf("wrap command: %w", err)
	}
	nonce, marker := randomID(16), randomID(12)
	var b strings.Builder
	b.WriteString("z='\n' wide=" + strconv.Itoa(wideLine) + "\n" + compact(frameSh, true))
	patterns := markerPatterns(marker, "b")
	fmt.Fprintf(&b, "N=%s n=1 M=%s m0=%s m1=%s m2=%s D=%s\n", nonce, marker, patterns[0], patterns[1], patterns[2], randomID(8))
	fmt.Fprintf(&b, "[ $e = h ] && m0=%[1]s m1=%[1]s m2=%[1]s\n", joinedBytes(marker, 16))
	for _, text := range []struct {
		name string
		text []byte
	}{{"c0", []byte(strings.Join(step.argv(), " "))}, {"W", []byte(step.prologue(carrying{}))}, {"S", step.source()}} {
		// The splitter reads the line as UTF-8 and changes what is not.
		fmt.Fprintf(&b, "text %s\n%s=$o\n", shellEscapes(text.text), text.name)
	}
	fmt.Fprintf(&b, "PL='%s'\nPY='%s'\n", compact(bulkPerl, true), compact(bulkPython, false))
	b.WriteString(compact(commandSh, true))
	command = "sh -c " + quote.Shlex(b.String())
	if len(command) > maxCommand {
		return "", nil, fmt.Errorf("wrap command: the line has %d characters and the limit is %d; use a session of kind shell", len(command), maxCommand)
	}
	t := &Trailer{tag: []byte("@" + nonce + " ")}
	t.run.number = "1"
	t.run.began = make(chan struct{})
	t.run.end = make(chan ending, 1)
	t.run.alive = make(chan struct{}, 1)
	t.run.exited = make(chan struct{}, 1)
	t.run.streams = [2]*stream{{marker: []byte(marker)}, {marker: []byte(marker)}}
	return command, t, nil
}

// shellEscapes is data in the escapes of printf %b, quoted for sh.
func shellEscapes(data []byte) string {
	var b strings.Builder
	for len(data) > 0 {
		var l string
		l, data = escapeLine(data)
		b.WriteString(l)
	}
	return "'" + b.String() + "'"
}

// Trailer takes the output of a wrapped command apart. Feed Stdout and Stderr
// what the session gives; the step's own streams go to the writers of
// SetOutput while it runs. It has no goroutines.
type Trailer struct {
	tag []byte
	run run

	mu     sync.Mutex // protects what follows; held while a line is taken
	lines  lines
	stderr screen // of the wrapper itself, and stray lines
}

// SetOutput names where the step's decoded streams go; nil discards. Call it
// before the session starts.
func (t *Trailer) SetOutput(stdout, stderr io.Writer) {
	t.run.streams[0].out, t.run.streams[1].out = stdout, stderr
}

// Stdout takes the session's standard output, or all of its output where the
// session does not separate them. Its writes never fail.
func (t *Trailer) Stdout() io.Writer { return writerFunc(t.writeStdout) }

// Stderr takes the session's standard error, which is not the step's: it is
// only kept for Screen. Its writes never fail.
func (t *Trailer) Stderr() io.Writer { return writerFunc(t.writeStderr) }

// Screen returns the last text that was not the step's.
func (t *Trailer) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stderr.String()
}

// Result says how the step ended; call it once the session has ended, or
// Ended is true. Without
// a trailer it is a *LostError: the step may have run in part, or whole.
func (t *Trailer) Result() (Result, error) {
	t.mu.Lock()
	screen := t.stderr.String()
	t.mu.Unlock()
	t.run.settle()
	select {
	case e := <-t.run.end:
		t.run.end <- e
		if e.lost != nil {
			return Result{}, &LostError{Began: true, Screen: screen, Err: e.lost}
		}
		return e.result, nil
	default:
		return Result{}, &LostError{Screen: screen, Err: errors.New("the trailer of the command did not come")}
	}
}

// Ended reports whether the step's end has come, so that Result has it although
// the session goes on.
func (t *Trailer) Ended() bool {
	t.run.out.Lock()
	defer t.run.out.Unlock()
	return t.run.pending != nil || len(t.run.end) > 0
}

func (t *Trailer) writeStdout(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines.feed(p, func(line []byte) {
		if i := bytes.Index(line, t.tag); i >= 0 {
			t.run.message(parseMessage(line[i+len(t.tag):]))
			line = line[:i]
		}
		if len(line) > 0 {
			t.stderr.add(line)
		}
	})
	return len(p), nil
}

func (t *Trailer) writeStderr(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stderr.add(bytes.TrimRight(p, "\r\n"))
	return len(p), nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
