package runstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Status is what became of a run.
type Status string

const (
	Running     Status = "running"     // a process is writing it
	Complete    Status = "complete"    // it has its summary
	Interrupted Status = "interrupted" // nobody writes it, and it has no summary
	Damaged     Status = "damaged"     // its journal cannot be read
)

// Summary is a run in one line.
type Summary struct {
	ID        string
	Dir       string
	Status    Status
	StartedAt time.Time // of the first record, zero when there is none
	EndedAt   time.Time // of the last record that was seen
	Start     event.RunStart
	// Jobs counts jobs by outcome: the run's own count when it is complete,
	// otherwise those that have ended.
	Jobs     map[outcome.Outcome]int
	ExitCode int   // meaningful when Complete
	Err      error // why it is Damaged
}

// tailSize is how much of a journal's end is read to find the summary.
const tailSize = 64 << 10

// List returns the runs below root, the newest first. It reads the beginning
// and the end of each journal and checks only those lines; a run without a
// summary is read whole. A run that cannot be read does not hide the others: it
// is listed as Damaged. A root that does not exist has no runs.
func List(root string) ([]Summary, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var all []Summary
	for _, e := range entries {
		if !e.IsDir() || checkID(e.Name()) != nil {
			continue
		}
		all = append(all, summarize(root, e.Name()))
	}
	slices.SortFunc(all, func(a, b Summary) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

func summarize(root, id string) Summary {
	s := Summary{ID: id, Dir: filepath.Join(root, id), Status: Interrupted, Jobs: map[outcome.Outcome]int{}}
	r, err := Open(root, id)
	if err != nil {
		s.Status, s.Err = Damaged, err
		return s
	}
	defer r.Close()
	s.read(r)
	return s
}

// Summary describes the run as List does.
func (r *Run) Summary() Summary {
	s := Summary{ID: r.id, Dir: r.path, Status: Interrupted, Jobs: map[outcome.Outcome]int{}}
	s.read(r)
	return s
}

func (s *Summary) read(r *Run) {
	for rec, err := range r.Records() {
		if err != nil {
			s.Status, s.Err = Damaged, err
			return
		}
		s.fold(rec)
		if _, started := rec.Fact.(event.RunStart); started && r.foldTail(s) {
			break
		}
	}
	if s.Status == Interrupted && live(r.dir) {
		s.Status = Running
	}
}

// fold takes one record into account.
func (s *Summary) fold(rec event.Record) {
	if s.StartedAt.IsZero() {
		s.StartedAt = rec.Time
	}
	s.EndedAt = rec.Time
	switch f := rec.Fact.(type) {
	case event.RunStart:
		s.Start = f
	case event.JobComplete:
		s.Jobs[f.Outcome]++
	case event.RunSummary:
		s.Status, s.Jobs, s.ExitCode = Complete, f.Jobs, f.ExitCode
	}
}

// foldTail looks for the run's summary near the end of the journal.
func (r *Run) foldTail(s *Summary) bool {
	f, err := r.dir.Open(journalName)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	from := max(0, info.Size()-tailSize)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(tail)) {
		l, ok := parseLine([]byte(line))
		if !ok {
			continue
		}
		rec, err := event.ParseRecord(l.json)
		if err != nil {
			continue
		}
		if _, last := rec.Fact.(event.RunSummary); last {
			s.fold(rec)
		}
	}
	return s.Status == Complete
}
