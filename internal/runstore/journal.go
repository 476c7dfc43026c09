package runstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"github.com/ssmrun/ssmrun/internal/event"
)

// maxLine bounds a line of the journal, so that a damaged one cannot ask for
// more memory than that.
const maxLine = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chain is the running SHA-256 over a journal's records.
type chain [sha256.Size]byte

func (c chain) next(json []byte) chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(json)
	var n chain
	h.Sum(n[:0])
	return n
}

// firstLine names the format and the run, and begins the chain.
func firstLine(runID string) []byte {
	return []byte("ssmrun-journal 1 " + runID + "\n")
}

// journalFile is what a journal is written to.
type journalFile interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// journalWriter appends to a journal.
type journalWriter struct {
	mu sync.Mutex
	// mu protects:
	f       journalFile
	head    chain
	opening uint64 // how often the journal was opened for writing
	batch   uint64 // of the last batch since then
	size    int64  // of what is known to be on disk
	err     error  // the first one; nothing is written after it
	line    []byte
}

// newJournal writes the first line to an empty file.
func newJournal(f journalFile, runID string) (*journalWriter, error) {
	first := firstLine(runID)
	w := &journalWriter{f: f, head: sha256.Sum256(first), opening: 1}
	if _, err := f.Write(first); err != nil {
		return nil, errors.Join(fmt.Errorf("write journal: %w", err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("write journal: %w", err), f.Close())
	}
	w.size = int64(len(first))
	return w, nil
}

// continueJournal reads a journal to its end, cuts off a torn write and appends
// from there.
func continueJournal(f *os.File, runID string) (*journalWriter, error) {
	j := newJournalReader(f, runID)
	for {
		line, err := j.next()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if line == nil {
			break
		}
	}
	if j.good == 0 { // not even the first line
		if err := f.Truncate(0); err != nil {
			return nil, errors.Join(fmt.Errorf("repair journal: %w", err), f.Close())
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, errors.Join(fmt.Errorf("repair journal: %w", err), f.Close())
		}
		return newJournal(f, runID)
	}
	if err := f.Truncate(j.good); err != nil {
		return nil, errors.Join(fmt.Errorf("repair journal: %w", err), f.Close())
	}
	if _, err := f.Seek(j.good, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("repair journal: %w", err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("repair journal: %w", err), f.Close())
	}
	return &journalWriter{f: f, head: j.head, opening: j.opening + 1, size: j.good}, nil
}

// append writes one batch and syncs. After an error it cuts off what it wrote,
// if it can, and gives up for good: after a failed sync the kernel may have
// dropped the pages, so the file cannot be trusted to take more.
func (w *journalWriter) append(records []event.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || len(records) == 0 {
		return w.err
	}
	buf, head, err := w.encode(records)
	if err != nil {
		return err // nothing was written, nothing is lost but these
	}
	_, err = w.f.Write(buf)
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		w.err = fmt.Errorf("write journal: %w", err)
		_ = w.f.Truncate(w.size)
		return w.err
	}
	w.head = head
	w.batch++
	w.size += int64(len(buf))
	return nil
}

// encode makes the lines of a batch.
func (w *journalWriter) encode(records []event.Record) ([]byte, chain, error) {
	head := w.head
	var buf []byte
	for i, rec := range records {
		json, err := rec.AppendJSON(w.line[:0])
		if err != nil {
			return nil, head, fmt.Errorf("write journal: %w", err)
		}
		if len(json) > maxLine-256 {
			return nil, head, fmt.Errorf("write journal: record %d has %d bytes", rec.Seq, len(json))
		}
		w.line = json
		head = head.next(json)
		start := len(buf)
		buf = append(buf, "00000000 "...)
		buf = fmt.Appendf(buf, "%d.%d.%d %x ", w.opening, w.batch+1, len(records)-1-i, head)
		buf = append(buf, json...)
		sum := crc32.Checksum(buf[start+9:], castagnoli)
		hex.Encode(buf[start:start+8], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
		buf = append(buf, '\n')
	}
	return buf, head, nil
}

func (w *journalWriter) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = ErrReadOnly
	}
	return w.f.Close()
}
