package runstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ssmrun/ssmrun/internal/event"
)

const testID = "20260102T150405-abcdef"

// facts makes records with the numbers from, from+1, ...
func facts(from, n int) []event.Record {
	recs := make([]event.Record, n)
	for i := range recs {
		recs[i] = event.Record{
			Seq:   uint64(from + i),
			Time:  time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
			RunID: testID,
			Fact:  event.LogFact{Severity: event.LevelInfo, Text: fmt.Sprintf("fact %d", from+i)},
		}
	}
	return recs
}

// journalOf returns the bytes of a journal with batches of the given sizes, and
// where each line ends, with the batch that it is of.
func journalOf(t testing.TB, batches ...int) (data []byte, ends []lineEnd) {
	t.Helper()
	f := &brokenFile{}
	w, err := newJournal(f, testID)
	if err != nil {
		t.Fatal(err)
	}
	seq := 1
	for _, n := range batches {
		if err := w.append(facts(seq, n)); err != nil {
			t.Fatal(err)
		}
		seq += n
	}
	data = f.Bytes()
	at := bytes.IndexByte(data, '\n') + 1
	ends = append(ends, lineEnd{at, 0})
	for b, n := range batches {
		for range n {
			at += bytes.IndexByte(data[at:], '\n') + 1
			ends = append(ends, lineEnd{at, b + 1})
		}
	}
	return data, ends
}

type lineEnd struct{ offset, batch int }

// read returns the numbers of a journal's records and the error at its end.
func read(data []byte) (seqs []uint64, j *journalReader, err error) {
	j = newJournalReader(bytes.NewReader(data), testID)
	for {
		line, err := j.next()
		if err != nil || line == nil {
			return seqs, j, err
		}
		rec, err := event.ParseRecord(line.json)
		if err != nil {
			return seqs, j, err
		}
		seqs = append(seqs, rec.Seq)
	}
}

func upTo(n int) []uint64 {
	var s []uint64
	for i := range n {
		s = append(s, uint64(i+1))
	}
	return s
}

func TestJournalCutAnywhereKeepsTheWholeRecords(t *testing.T) {
	data, ends := journalOf(t, 1, 3, 1, 2)
	for cut := range len(data) + 1 {
		whole := -1
		for i, e := range ends {
			if e.offset <= cut {
				whole = i
			}
		}
		seqs, j, err := read(data[:cut])
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if !slices.Equal(seqs, upTo(max(0, whole))) {
			t.Fatalf("cut at %d: records %v, want %d", cut, seqs, max(0, whole))
		}
		good := 0
		if whole >= 0 {
			good = ends[whole].offset
		}
		if j.good != int64(good) || j.torn != int64(cut-good) {
			t.Fatalf("cut at %d: good %d torn %d", cut, j.good, j.torn)
		}
	}
}

// Every bit of a journal is flipped: before the last batch that is an error at
// the line's offset, in the last batch it is a torn write, and never is a record
// read that was not written.
func TestJournalBitFlips(t *testing.T) {
	data, ends := journalOf(t, 1, 2, 1, 2)
	lastBatch := ends[len(ends)-1].batch
	for i := range data {
		line := 0
		for ends[line].offset <= i {
			line++
		}
		start := 0
		if line > 0 {
			start = ends[line-1].offset
		}
		for bit := range 8 {
			flipped := bytes.Clone(data)
			flipped[i] ^= 1 << bit
			seqs, j, err := read(flipped)
			if len(seqs) > line || !slices.Equal(seqs, upTo(len(seqs))) {
				t.Fatalf("byte %d bit %d: records %v, want fewer than %d", i, bit, seqs, line)
			}
			var damage *DamageError
			switch {
			case ends[line].batch < lastBatch:
				if !errors.As(err, &damage) {
					t.Fatalf("byte %d bit %d in line %d: error %v", i, bit, line, err)
				}
				if damage.Offset != int64(start) {
					t.Fatalf("byte %d bit %d: offset %d, want %d", i, bit, damage.Offset, start)
				}
			case err != nil:
				t.Fatalf("byte %d bit %d in the last batch: %v", i, bit, err)
			case j.torn == 0 || j.good != int64(start):
				t.Fatalf("byte %d bit %d in the last batch: good %d, torn %d", i, bit, j.good, j.torn)
			}
		}
	}
}

// A torn last batch may have lost any of its sectors, in any order.
func TestTornBatch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		before := rapid.SliceOfN(rapid.IntRange(1, 3), 0, 3).Draw(rt, "before")
		last := rapid.IntRange(1, 6).Draw(rt, "last")
		data, ends := journalOf(t, append(before, last)...)
		durable := ends[len(ends)-1-last].offset
		torn := bytes.Clone(data)
		const sector = 64
		for at := durable; at < len(torn); at += sector {
			if rapid.Bool().Draw(rt, "lost") {
				clear(torn[at:min(at+sector, len(torn))])
			}
		}
		torn = torn[:rapid.IntRange(durable, len(torn)).Draw(rt, "length")]
		seqs, j, err := read(torn)
		if err != nil {
			rt.Fatal(err)
		}
		total := len(ends) - 1
		if len(seqs) < total-last || !slices.Equal(seqs, upTo(len(seqs))) {
			rt.Fatalf("records %v of %d, of which %d were durable", seqs, total, total-last)
		}
		if j.good < int64(durable) {
			rt.Fatalf("durable records are to be cut off: good %d of %d", j.good, durable)
		}
	})
}

// seal makes lines that look whole, as somebody would who edits the journal and
// knows the format, but for the chain.
func seal(line string) string {
	return fmt.Sprintf("%s %s\n", hex.EncodeToString(binarySum(line)), line)
}

func binarySum(s string) []byte {
	sum := crc32.Checksum([]byte(s), castagnoli)
	return []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}
}

func TestEditedJournalIsNoticed(t *testing.T) {
	data, _ := journalOf(t, 1, 1, 1, 1)
	lines := strings.SplitAfter(string(data), "\n")
	lines = lines[:5]
	join := func(l ...string) string { return strings.Join(l, "") }
	changed := seal(strings.Replace(strings.TrimSuffix(lines[2][9:], "\n"), "fact 2", "fact X", 1))
	for name, text := range map[string]string{
		"taken out":   join(lines[0], lines[1], lines[3], lines[4]),
		"swapped":     join(lines[0], lines[1], lines[3], lines[2], lines[4]),
		"twice":       join(lines[0], lines[1], lines[2], lines[2], lines[3], lines[4]),
		"changed":     join(lines[0], lines[1], changed, lines[3], lines[4]),
		"empty line":  join(lines[0], lines[1], "\n", lines[2], lines[3], lines[4]),
		"other run":   join(strings.Replace(lines[0], "abcdef", "abcdeg", 1), lines[1]),
		"first taken": join(lines[1], lines[2], lines[3]),
	} {
		var damage *DamageError
		if seqs, _, err := read([]byte(text)); !errors.As(err, &damage) {
			t.Errorf("%s: read %v, error %v", name, seqs, err)
		}
	}
}

func TestReopenCutsATornWriteOffAndGoesOn(t *testing.T) {
	data, ends := journalOf(t, 2, 3)
	for _, cut := range []int{0, 5, ends[0].offset, ends[2].offset, ends[3].offset + 7, len(data) - 1, len(data)} {
		root := t.TempDir()
		r, err := Create(root, testID)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(r.Dir(), journalName)
		r.Close()
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		seqs, _, err := read(data[:cut])
		if err != nil {
			t.Fatal(err)
		}
		if r, err = Reopen(root, testID); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := r.Append(facts(len(seqs)+1, 2)); err != nil {
			t.Fatal(err)
		}
		report, err := r.Verify()
		if err != nil || report.Records != len(seqs)+2 || report.Torn != 0 {
			t.Errorf("cut at %d: %+v, %v; want %d records", cut, report, err, len(seqs)+2)
		}
		r.Close()
	}
}

// brokenFile is a journal file that fails at a call.
type brokenFile struct {
	bytes.Buffer
	failWrite, failSync bool
	truncated           int64
}

var errNoSpace = errors.New("no space left on device")

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.failWrite {
		n, _ := f.Buffer.Write(p[:len(p)/2])
		return n, errNoSpace
	}
	return f.Buffer.Write(p)
}

func (f *brokenFile) Sync() error {
	if f.failSync {
		return errNoSpace
	}
	return nil
}

func (f *brokenFile) Truncate(size int64) error {
	f.truncated = size
	f.Buffer.Truncate(int(size))
	return nil
}

func (f *brokenFile) Close() error { return nil }

func TestFailedWriteIsReturnedAndCutOff(t *testing.T) {
	for _, f := range []*brokenFile{{failWrite: true}, {failSync: true}} {
		fail := *f
		f.failWrite, f.failSync = false, false
		w, err := newJournal(f, testID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.append(facts(1, 2)); err != nil {
			t.Fatal(err)
		}
		f.failWrite, f.failSync = fail.failWrite, fail.failSync
		if err := w.append(facts(3, 2)); !errors.Is(err, errNoSpace) {
			t.Errorf("append: %v", err)
		}
		f.failWrite, f.failSync = false, false
		if err := w.append(facts(5, 1)); !errors.Is(err, errNoSpace) {
			t.Errorf("the next append: %v", err)
		}
		if seqs, j, err := read(f.Bytes()); err != nil || len(seqs) != 2 || j.torn != 0 {
			t.Errorf("the journal has %v, torn %d, %v", seqs, j.torn, err)
		}
	}
}
