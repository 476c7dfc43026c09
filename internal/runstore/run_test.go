package runstore

import (
	"bytes"
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

	"pgregory.net/rapid"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

func create(t testing.TB) *Run {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), ".ssmrun", "runs"), testID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600))
	a, b := NewID(at), NewID(at.Add(time.Second))
	if a >= b || !strings.HasPrefix(a, "20260102T140405-") || len(a) != len(testID) || NewID(at) == a {
		t.Errorf("%s, %s", a, b)
	}
	if err := checkID(a); err != nil {
		t.Error(err)
	}
	for ms := range time.Duration(999) {
		if a, b := NewID(at.Add(ms*time.Millisecond)), NewID(at.Add((ms+1)*time.Millisecond)); a >= b {
			t.Errorf("after %d ms: %s, and a millisecond later %s", ms, a, b)
		}
	}
}

func TestRunIDsThatAreNoFileNamesAreRefused(t *testing.T) {
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`, "-x", "a b", "a\x00", strings.Repeat("a", 65), "é"} {
		if r, err := Create(t.TempDir(), id); err == nil {
			r.Close()
			t.Errorf("%q was accepted", id)
		}
		if _, err := Open(t.TempDir(), id); err == nil {
			t.Errorf("%q was opened", id)
		}
	}
}

func TestFilesAreOursAlone(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o377} {
		t.Run(fmt.Sprintf("%04o", umask), func(t *testing.T) {
			root := filepath.Join(t.TempDir(), ".ssmrun", "runs")
			if err := os.MkdirAll(root, 0o700); err != nil {
				t.Fatal(err)
			}
			defer setUmask(umask)()
			r, err := Create(root, testID)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.SavePlan([]byte("{}")); err != nil {
				t.Fatal(err)
			}
			out, err := r.Output("a", "b", 0, "c", 1)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(out.Stdout, "x")
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			n := 0
			err = filepath.WalkDir(r.Dir(), func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				n++
				info, err := d.Info()
				if err != nil {
					return err
				}
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = 0o700
				}
				if info.Mode().Perm() != want {
					t.Errorf("%s has mode %04o", path, info.Mode().Perm())
				}
				return nil
			})
			if err != nil || n < 9 {
				t.Errorf("%d files, %v", n, err)
			}
		})
	}
}

func TestStoreThatOthersMayWriteIsRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o770); err != nil {
		t.Fatal(err)
	}
	_, err := Create(root, testID)
	if err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
}

func TestRunExistsOnce(t *testing.T) {
	r := create(t)
	if _, err := Create(filepath.Dir(r.Dir()), testID); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(filepath.Dir(r.Dir()), "no-such-run"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPlanIsKept(t *testing.T) {
	r := create(t)
	for _, text := range []string{`{"v":1}`, `{"v":2}`} {
		if err := r.SavePlan([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Plan(); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestOneWriterPerRun(t *testing.T) {
	r := create(t)
	root := filepath.Dir(r.Dir())
	_, err := Reopen(root, testID)
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(locked.By, fmt.Sprint(os.Getpid())) {
		t.Errorf("while it is written: %v", err)
	}
	r.Close()
	var got sync.WaitGroup
	var mu sync.Mutex
	var won []*Run
	for range 20 {
		got.Go(func() {
			var locked *LockedError
			if r, err := Reopen(root, testID); err == nil {
				mu.Lock()
				won = append(won, r)
				mu.Unlock()
			} else if !errors.As(err, &locked) {
				t.Error(err)
			}
		})
	}
	got.Wait()
	if len(won) != 1 {
		t.Fatalf("%d writers", len(won))
	}
	won[0].Close()
}

func TestReaderCannotWrite(t *testing.T) {
	w := create(t)
	r, err := Open(filepath.Dir(w.Dir()), testID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, outErr := r.Output("a", "b", 0, "c", 1)
	for _, err := range []error{r.Append(facts(1, 1)), r.SavePlan(nil), outErr} {
		if err != ErrReadOnly {
			t.Errorf("got %v", err)
		}
	}
}

func TestReaderSeesWhatIsThere(t *testing.T) {
	w := create(t)
	r, err := Open(filepath.Dir(w.Dir()), testID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 1; n <= 3; n++ {
		if err := w.Append(facts(n, 1)); err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		for rec, err := range r.Records() {
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, rec.Seq)
		}
		if !slices.Equal(seqs, upTo(n)) {
			t.Errorf("after %d: %v", n, seqs)
		}
	}
}

func TestListDescribesRuns(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	add := func(id string, keep bool, more ...event.Fact) *Run {
		t.Helper()
		r, err := Create(root, id)
		if err != nil {
			t.Fatal(err)
		}
		all := []event.Fact{event.VersionFact{}, event.RunStart{Runbook: "book", Jobs: 2}, event.JobComplete{Outcome: outcome.Passed}}
		var recs []event.Record
		for i, f := range append(all, more...) {
			recs = append(recs, event.Record{Seq: uint64(i + 1), Time: at.Add(time.Duration(i) * time.Second), RunID: id, Fact: f})
		}
		if err := r.Append(recs); err != nil {
			t.Fatal(err)
		}
		if !keep {
			r.Close()
		}
		return r
	}
	add("1-complete", false, event.RunSummary{Jobs: map[outcome.Outcome]int{outcome.Passed: 2}, ExitCode: 3}, event.LogFact{Text: "after"})
	add("2-killed", false)
	going := add("3-running", true)
	defer going.Close()
	damaged := add("4-damaged", true)
	if err := damaged.Append(facts(9, 1)); err != nil {
		t.Fatal(err)
	}
	damaged.Close()
	path := filepath.Join(damaged.Dir(), journalName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[60] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "no-run"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "0-empty"), 0o700); err != nil {
		t.Fatal(err)
	}

	all, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %s %d jobs %v exit %d", s.ID, s.Status, s.Start.Jobs, s.Jobs, s.ExitCode))
	}
	want := []string{
		"4-damaged damaged 0 jobs map[] exit 0",
		"3-running running 2 jobs map[passed:1] exit 0",
		"2-killed interrupted 2 jobs map[passed:1] exit 0",
		"1-complete complete 2 jobs map[passed:2] exit 3",
		"0-empty interrupted 0 jobs map[] exit 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if d := all[3].EndedAt.Sub(all[3].StartedAt); d != 3*time.Second {
		t.Errorf("the complete run took %v", d)
	}
	if none, err := List(filepath.Join(root, "missing")); err != nil || none != nil {
		t.Errorf("a store that is not there: %v, %v", none, err)
	}
}

func TestRescueWritesRecordsOnce(t *testing.T) {
	dir := t.TempDir()
	path, err := Rescue(dir, testID, facts(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.Count(data, []byte("\n")) != 3 {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := Rescue(dir, testID, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
}

func TestPartNamesStayInPlace(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\ac%~-]{0,5}`), rapid.StringN(150, 400, -1),
			rapid.SampledFrom([]string{"con", "NUL.txt", "lpt1", ".", "..", "", "a.", ".a", `x["a/b"]`})).Draw(t, "text")
		name := partName(text)
		if other, ok := seen[name]; ok && other != text {
			t.Fatalf("%q and %q are both called %q", text, other, name)
		}
		seen[name] = text
		if name == "" || len(name) > maxPart || !filepath.IsLocal(name) || filepath.Base(name) != name ||
			strings.ContainsAny(name, "/\\:*?\"<>| \x00") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			t.Fatalf("%q is called %q", text, name)
		}
	})
	if got := partName(`restart["eu/west"]`); got != `restart%5B%22eu%2Fwest%22%5D` {
		t.Errorf("got %s", got)
	}
}
