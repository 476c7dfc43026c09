package exec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// files is an Outputs in memory.
type files struct {
	limit    int // bytes a stream can take, 0 = no limit
	cannot   error
	mu       sync.Mutex
	contents map[string]*file
}

type file struct {
	mu     sync.Mutex
	b      bytes.Buffer
	limit  int
	closed bool
}

func (f *files) Open(job *plan.Job, step *plan.Step, attempt int) (Stream, Stream, error) {
	if f.cannot != nil {
		return nil, nil, f.cannot
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.contents == nil {
		f.contents = map[string]*file{}
	}
	name := fmt.Sprintf("%s #%d", stepAddress(job, step), attempt)
	out, err := &file{limit: f.limit}, &file{limit: f.limit}
	f.contents[name+" stdout"], f.contents[name+" stderr"] = out, err
	return out, err, nil
}

// text returns what one stream of a step of i-01 holds.
func (f *files) text(t *testing.T, name string) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.contents[name]
	if file == nil {
		t.Errorf("there is no file %s", name)
		return ""
	}
	if !file.closed {
		t.Errorf("%s was not closed", name)
	}
	return file.b.String()
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limit > 0 && f.b.Len()+len(p) > f.limit {
		return 0, errors.New("no space left on device")
	}
	return f.b.Write(p)
}

func (f *file) Close() error { f.closed = true; return nil }
func (f *file) Cut() bool    { return false }

func (f *file) Kept() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(f.b.Len())
}

func (f *file) SHA256() string {
	sum := sha256.Sum256(f.b.Bytes())
	return hex.EncodeToString(sum[:])
}

// outputWorld is a run and the output of an attempt at its only step.
func outputWorld(t *testing.T, f *files, sensitive bool) (*world, *stepOutput, func()) {
	t.Helper()
	w := newWorld(newSession("web", 1, withSteps("one"), changeStep("one", func(s *plan.Step) { s.Sensitive = sensitive })))
	w.began = time.Now()
	w.opts.Redactor = event.NewRedactor()
	w.opts.Log = event.NewLog("r1", w.memory, w.opts.Redactor)
	w.opts.Outputs = f
	r := newRun(&plan.Plan{Sessions: w.sessions}, w.opts)
	r.eval = &w.answers
	out, err := r.openOutput(w.sessions[0].Jobs[0], w.sessions[0].Steps[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	return w, out, func() { w.opts.Log.Close() }
}

func (w *world) outputEvents() []event.StepOutput {
	var events []event.StepOutput
	for _, f := range w.facts() {
		if o, ok := f.(event.StepOutput); ok {
			events = append(events, o)
		}
	}
	return events
}

func TestOutputIsAnnouncedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out, done := outputWorld(t, &files{}, false)
		write := func(n int) { fmt.Fprint(out.stdout, strings.Repeat("x", n)) }
		write(10)
		time.Sleep(50 * time.Millisecond)
		write(10)
		time.Sleep(time.Second) // one event for both, 100 ms after the first
		write(outputBytes + 1)  // at once
		time.Sleep(time.Second)
		write(5) // with the end
		if err := out.close(); err != nil {
			t.Fatal(err)
		}
		write(100) // dropped
		time.Sleep(time.Second)
		done()
		type span struct{ Offset, Length int64 }
		var got []span
		for _, e := range w.outputEvents() {
			got = append(got, span{e.Offset, e.Length})
		}
		if diff := cmp.Diff([]span{{0, 20}, {20, outputBytes + 1}, {outputBytes + 21, 5}}, got); diff != "" {
			t.Errorf("step_output (-want +got):\n%s", diff)
		}
		if c := out.stdout.counts(); c.written != outputBytes+26 || c.kept != c.written {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestOutputIsMaskedBeforeItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &files{}
		w, out, done := outputWorld(t, f, false)
		w.opts.Redactor.Add("hunter2-hunter2")
		for _, part := range []string{"the password is hun", "ter2-hun", "ter2, and more"} {
			fmt.Fprint(out.stderr, part)
		}
		out.close()
		done()
		text := f.text(t, `session.web["i-01"].step.one #1 stderr`)
		if strings.Contains(text, "hunter2") || !strings.HasPrefix(text, "the password is ") || !strings.HasSuffix(text, ", and more") {
			t.Errorf("the file holds %q", text)
		}
		c := out.stderr.counts()
		if !c.masked || c.written != int64(len("the password is hunter2-hunter2, and more")) || c.kept != int64(len(text)) {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestSensitiveOutputIsOnlyCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &files{}
		w, out, done := outputWorld(t, f, true)
		fmt.Fprint(out.stdout, "secret")
		out.close()
		done()
		if c := out.stdout.counts(); c != (streamCounts{written: 6}) || len(f.contents) != 0 || len(w.outputEvents()) != 0 {
			t.Errorf("counts %+v, files %v, events %v", c, f.contents, w.outputEvents())
		}
	})
}

// A full disk neither stops the step nor hides its output from the verdict, but
// it is told.
func TestAFullDiskIsToldAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, out, done := outputWorld(t, &files{limit: 10}, false)
		for range 5 {
			if _, err := fmt.Fprint(out.stdout, "12345678"); err != nil {
				t.Errorf("writing failed: %v", err)
			}
		}
		err := out.close()
		done()
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("close says %v", err)
		}
		if c := out.stdout.counts(); c.written != 40 || c.kept != 8 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestNoStepStartsWithoutAPlaceForItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := localWorld("one", "two", "finally_a")
		w.opts.Outputs = &files{cannot: errors.New("read-only file system")}
		w.run(t.Context())
		if w.err == nil || !strings.Contains(w.err.Error(), "read-only") {
			t.Errorf("error %v", w.err)
		}
		if got := w.lines("step_start", "step_complete"); got != "" {
			t.Errorf("steps ran:\n%s", got)
		}
	})
}
