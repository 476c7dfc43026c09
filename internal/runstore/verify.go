package runstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/ssmrun/ssmrun/internal/event"
)

// Report is what Verify found in order.
type Report struct {
	Records int
	Files   int    // output files whose digest was compared
	Head    string // the last value of the chain, in hex
	Torn    int64  // bytes at the journal's end that a torn write left
}

// Verify reads the whole journal and compares the output files with the digests
// in it. The error joins everything that is wrong; the first *DamageError ends
// the reading of the journal. Of a run that is still going it says what is true
// of the part that is there. A torn end is no error, since a crash makes one: it
// is in the Report.
func (r *Run) Verify() (Report, error) {
	var report Report
	f, err := r.dir.Open(journalName)
	if err != nil {
		return report, fmt.Errorf("verify run: %w", err)
	}
	defer f.Close()
	var wrong []error
	j := newJournalReader(f, r.id)
	var seq uint64
	for {
		line, err := j.next()
		if err != nil {
			wrong = append(wrong, err)
			break
		}
		if line == nil {
			break
		}
		rec, err := event.ParseRecord(line.json)
		if err != nil {
			wrong = append(wrong, &DamageError{line.offset, err.Error()})
			break
		}
		if rec.RunID != r.id {
			wrong = append(wrong, &DamageError{line.offset, "the record is of run " + rec.RunID})
		}
		if rec.Seq <= seq {
			wrong = append(wrong, &DamageError{line.offset, fmt.Sprintf("record %d follows record %d", rec.Seq, seq)})
		}
		seq = rec.Seq
		report.Records++
		if done, ok := rec.Fact.(event.StepComplete); ok {
			n, err := r.verifyStep(done)
			report.Files += n
			wrong = append(wrong, err)
		}
	}
	report.Head = hex.EncodeToString(j.head[:])
	report.Torn = j.torn
	return report, errors.Join(wrong...)
}

// Head returns the journal's last chain value: noted elsewhere, it shows later
// that nothing was cut off. "" when the journal cannot be read.
func (r *Run) Head() string {
	f, err := r.dir.Open(journalName)
	if err != nil {
		return ""
	}
	defer f.Close()
	j := newJournalReader(f, r.id)
	for {
		line, err := j.next()
		if err != nil {
			return ""
		}
		if line == nil {
			return hex.EncodeToString(j.head[:])
		}
	}
}

// verifyStep compares the files of an attempt with what its record says.
func (r *Run) verifyStep(done event.StepComplete) (files int, err error) {
	var wrong []error
	for _, s := range []struct {
		stream, sum string
		kept        int64
	}{{Stdout, done.StdoutSHA256, done.StdoutKept}, {Stderr, done.StderrSHA256, done.StderrKept}} {
		if s.sum == "" {
			continue // nothing was kept of a sensitive step
		}
		files++
		n, sum, err := r.digest(done.Step, s.stream)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			wrong = append(wrong, fmt.Errorf("%s, attempt %d: the file of %s is missing", done.Address, done.Attempt, s.stream))
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s, attempt %d: %w", done.Address, done.Attempt, err))
		case n != s.kept || sum != s.sum:
			wrong = append(wrong, fmt.Errorf("%s, attempt %d: %s has %d bytes with SHA-256 %s, the journal says %d bytes with %s",
				done.Address, done.Attempt, s.stream, n, sum, s.kept, s.sum))
		}
	}
	return files, errors.Join(wrong...)
}

func (r *Run) digest(step event.Step, stream string) (int64, string, error) {
	f, err := r.ReadOutput(step.Session, step.Target, step.Index-1, step.Step, step.Attempt, stream)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}
