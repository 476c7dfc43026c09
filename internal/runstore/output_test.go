package runstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
)

// files lists what is below the output directory.
func files(t testing.TB, r *Run) []string {
	t.Helper()
	var names []string
	base := filepath.Join(r.Dir(), outputName)
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(base, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func output(t testing.TB, r *Run, target string, attempt int) *Output {
	t.Helper()
	out, err := r.Output(`restart["eu"]`, target, 1, "healthy", attempt)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBothFilesExistOnceAnAttemptHasEnded(t *testing.T) {
	r := create(t)
	out := output(t, r, "i-1", 1)
	if got := files(t, r); got != nil {
		t.Errorf("before the first byte there is %v", got)
	}
	io.WriteString(out.Stderr, "oops")
	if got := files(t, r); len(got) != 1 {
		t.Errorf("after a byte of stderr there is %v", got)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"restart%5B%22eu%22%5D/i-1/02-healthy.stderr", "restart%5B%22eu%22%5D/i-1/02-healthy.stdout"}
	if got := files(t, r); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if _, err := out.Stdout.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("writing after Close: %v", err)
	}
	if err := out.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestLimitKeepsTheBeginningAndCountsAll(t *testing.T) {
	r := create(t)
	out := output(t, r, "i-1", 1)
	out.Limit(10)
	for range 3 {
		if n, err := io.WriteString(out.Stdout, "1234567"); n != 7 || err != nil {
			t.Fatal(n, err)
		}
	}
	io.WriteString(out.Stderr, "1234567890")
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.Dir(), outputName, `restart%5B%22eu%22%5D/i-1/02-healthy.stdout`))
	if err != nil || string(data) != "1234567123" {
		t.Errorf("kept %q, %v", data, err)
	}
	s := out.Stdout
	sum := sha256.Sum256(data)
	if s.Kept() != 10 || s.Total() != 21 || !s.Cut() || s.SHA256() != hex.EncodeToString(sum[:]) {
		t.Errorf("kept %d of %d, cut %v, %s", s.Kept(), s.Total(), s.Cut(), s.SHA256())
	}
	if out.Stderr.Cut() {
		t.Error("a stream that just fits is said to be cut")
	}
}

func TestLastAttemptHasThePlainName(t *testing.T) {
	r := create(t)
	for attempt := 1; attempt <= 3; attempt++ {
		out := output(t, r, "i-1", attempt)
		fmt.Fprintf(out.Stdout, "attempt %d", attempt)
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		for before := 1; before <= attempt; before++ {
			for _, index := range []int{1, -1} {
				f, err := r.ReadOutput(`restart["eu"]`, "i-1", index, "healthy", before, Stdout)
				if err != nil {
					t.Fatalf("attempt %d of %d: %v", before, attempt, err)
				}
				got, _ := io.ReadAll(f)
				f.Close()
				if string(got) != fmt.Sprintf("attempt %d", before) {
					t.Errorf("attempt %d of %d is %q", before, attempt, got)
				}
			}
		}
		if _, err := r.ReadOutput(`restart["eu"]`, "i-1", 1, "healthy", attempt+1, Stdout); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("attempt %d, before it began: %v", attempt+1, err)
		}
	}
	want := []string{"02-healthy.attempt1.stderr", "02-healthy.attempt1.stdout", "02-healthy.attempt2.stderr",
		"02-healthy.attempt2.stdout", "02-healthy.stderr", "02-healthy.stdout"}
	var got []string
	for _, name := range files(t, r) {
		got = append(got, filepath.Base(name))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestReadOutputWithoutTheIndex(t *testing.T) {
	r := create(t)
	for i, step := range []string{"log", "log2", "log"} { // a step and a finally of one name
		out, err := r.Output("s", "t", i, step, 1)
		if err != nil {
			t.Fatal(err)
		}
		out.Close()
	}
	if f, err := r.ReadOutput("s", "t", -1, "log2", 1, Stdout); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if _, err := r.ReadOutput("s", "t", -1, "log", 1, Stdout); err == nil || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("got %v", err)
	}
	if _, err := r.ReadOutput("s", "t", -1, "lo", 1, Stdout); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Many streams at once keep within the limit of open files and lose nothing.
func TestManyStreamsShareAFewDescriptors(t *testing.T) {
	r := create(t)
	r.files.limit = 8
	const streams, writes = 50, 40
	var writers sync.WaitGroup
	for i := range streams {
		out := output(t, r, fmt.Sprintf("i-%d", i), 1)
		writers.Go(func() {
			for w := range writes {
				if _, err := fmt.Fprintf(out.Stdout, "%d.%d\n", i, w); err != nil {
					t.Error(err)
				}
				r.files.mu.Lock()
				if n := len(r.files.place); n > 8+2 { // two writers may be in the way of each other
					t.Errorf("%d files are open", n)
				}
				r.files.mu.Unlock()
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	for i := range streams {
		f, err := r.ReadOutput(`restart["eu"]`, fmt.Sprintf("i-%d", i), 1, "healthy", 1, Stdout)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(f)
		f.Close()
		var want bytes.Buffer
		for w := range writes {
			fmt.Fprintf(&want, "%d.%d\n", i, w)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("stream %d: %q", i, got)
		}
	}
	if n := len(r.files.place); n != 0 {
		t.Errorf("%d files are open at the end", n)
	}
}

func TestOutputErrorStaysAndIsReturned(t *testing.T) {
	r := create(t)
	out := output(t, r, "i-1", 1)
	// Somebody else's file is in the way.
	name := filepath.Join(r.Dir(), outputName, `restart%5B%22eu%22%5D/i-1/02-healthy.stdout`)
	if err := os.WriteFile(name, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := io.WriteString(out.Stdout, "x"); n != 0 || !errors.Is(err, fs.ErrExist) {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	if err := out.Close(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Close: %v", err)
	}
	if data, _ := os.ReadFile(name); string(data) != "theirs" {
		t.Errorf("the file has %q", data)
	}
}

func TestOutputDoesNotFollowLinksOut(t *testing.T) {
	r := create(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(r.Dir(), outputName, "evil")); err != nil {
		t.Skip(err)
	}
	out, err := r.Output("evil", "i-1", 0, "x", 1)
	if err == nil {
		_, err = io.WriteString(out.Stdout, "x")
		out.Close()
	}
	if err == nil {
		t.Error("output was written through a link")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("outside there is %v", entries)
	}
}

func TestVerifyComparesOutputWithTheJournal(t *testing.T) {
	r := create(t)
	out := output(t, r, "i-1", 1)
	io.WriteString(out.Stdout, "hello")
	out.Close()
	done := event.StepComplete{
		Step:       event.Step{Address: "a", Session: `restart["eu"]`, Target: "i-1", Step: "healthy", Attempt: 1, Index: 2},
		StdoutKept: out.Stdout.Kept(), StdoutSHA256: out.Stdout.SHA256(), StderrSHA256: out.Stderr.SHA256(),
	}
	quiet := event.StepComplete{Step: event.Step{Address: "b", Session: "s", Target: "i-1", Step: "secret", Attempt: 1}}
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	err := r.Append([]event.Record{{Seq: 1, Time: at, RunID: testID, Fact: done}, {Seq: 2, Time: at, RunID: testID, Fact: quiet}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := r.Verify()
	if err != nil || report.Records != 2 || report.Files != 2 || report.Head != r.Head() || len(report.Head) != 64 {
		t.Errorf("%+v, %v", report, err)
	}
	name := filepath.Join(r.Dir(), outputName, `restart%5B%22eu%22%5D/i-1/02-healthy.stdout`)
	if err := os.WriteFile(name, []byte("hellx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("after a change: %v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("after a removal: %v", err)
	}
}

func TestCloseOfTheRunClosesStreams(t *testing.T) {
	r := create(t)
	out := output(t, r, "i-1", 1)
	io.WriteString(out.Stdout, "x")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(out.Stdout, "y"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkStream(b *testing.B) {
	r := create(b)
	out := output(b, r, "i-1", 1)
	out.Limit(1 << 40)
	defer out.Close()
	p := make([]byte, 1024)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		out.Stdout.Write(p)
	}
}
