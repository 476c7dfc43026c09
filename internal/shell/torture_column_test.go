package shell

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// column is one session, or of kind command one target, in which the cases run
// one after the other.
type column struct {
	kind    string // shell or command
	shell   string // of the session, with its profile
	sh      string // what the target's sh is
	server  string // of kind shell
	latency time.Duration

	boot func(t testing.TB) stepRunner

	sample sample
	cells  []*cell
}

func (col *column) name() string {
	words := []string{col.kind, col.shell, "sh=" + col.sh, col.server, col.latency.String()}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "/")
}

// run runs the column's cases. A session that a case has lost is made again for
// the next one, and one that does not start fails every case.
func (col *column) run(t testing.TB) {
	session := newCell(t, col.name())
	defer session.close()
	var r stepRunner
	session.try(func() { r = col.boot(session) })
	for _, g := range guarantees() {
		for _, tc := range g.cases {
			if !strings.Contains(tc.name, *onlyCase) || !col.sample.cell(col.name()+"/"+tc.name) {
				continue
			}
			if col.kind == "command" && (tc.play != nil || tc.step.Stdin != nil || tc.step.User != "") {
				continue
			}
			c := newCell(t, col.name()+" / "+tc.name)
			c.guarantee = g.name
			c.why = tc.other[col.sh]
			col.cells = append(col.cells, c)
			switch {
			case c.why != "":
			case r == nil:
				c.said = session.said
			default:
				c.try(func() { tc.runIn(c, r) })
				if session, carries := r.(*rig); carries && (tc.dirty || c.Failed()) {
					c.try(func() { session.clean(c) })
				}
			}
			c.close()
		}
	}
}

func (tc tortureCase) runIn(t testing.TB, r stepRunner) {
	switch {
	case tc.play != nil:
		tc.play(t, r.(*rig))
	case tc.both != nil:
		tc.both(t, r)
	default:
		tc.check(t, r)
	}
}

// clean takes back what a case has exported, so that the next one finds what it
// would find alone.
func (r *rig) clean(t testing.TB) {
	const script = `cd /; PATH=$1; export PATH; unset IFS PERL5OPT PYTHONHOME GZIP POSIXLY_CORRECT ODD CDPATH ENV BASH_ENV LC_ALL TMPDIR`
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	step := Step{Shell: "/bin/sh", Script: []byte(script), Args: []string{os.Getenv("PATH")}, Dir: "/"}
	if res, err := r.Run(ctx, step, &out, &errs); err != nil || !res.StateSaved {
		t.Errorf("state could not be set back: %+v, %v %s", res, err, errs.String())
	}
}

// cell is one case in one column: the testing.TB of the case. What goes wrong
// is kept for the table and ends that case only.
type cell struct {
	testing.TB
	name, guarantee string
	why             string // it is not run

	mu       sync.Mutex // protects what follows
	said     []string
	cleanups []func()
}

func newCell(t testing.TB, name string) *cell { return &cell{TB: t, name: name} }

// try runs f in a goroutine of its own, which Fatal ends.
func (c *cell) try(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (c *cell) close() {
	for _, f := range slices.Backward(c.cleanups) {
		f()
	}
}

func (c *cell) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanups = append(c.cleanups, f)
}

// Fatalf and its like end the cell's goroutine, not the test.

func (c *cell) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, text)
	c.TB.Errorf("%s: %s", c.name, text)
}

func (c *cell) Error(args ...any)                 { c.say(strings.TrimSpace(fmt.Sprintln(args...))) }
func (c *cell) Errorf(format string, args ...any) { c.say(fmt.Sprintf(format, args...)) }
func (c *cell) Fatal(args ...any)                 { c.Error(args...); runtime.Goexit() }
func (c *cell) Fatalf(format string, args ...any) { c.Errorf(format, args...); runtime.Goexit() }
func (c *cell) FailNow()                          { c.Fatal("failed") }
func (c *cell) Fail()                             { c.Error("failed") }

func (c *cell) Failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.said) > 0
}
