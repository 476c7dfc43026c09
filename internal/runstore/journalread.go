package runstore

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// DamageError says where a journal cannot be trusted any more.
type DamageError struct {
	Offset int64 // of the first line that is wrong, in bytes
	Why    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal is damaged at offset %d: %s", e.Offset, e.Why)
}

// journalLine is one whole line of a journal.
type journalLine struct {
	offset  int64
	opening uint64
	batch   uint64
	left    uint64
	chain   chain
	json    []byte
}

// journalReader reads a journal line by line and checks all that can be
// checked.
type journalReader struct {
	r     *bufio.Reader
	runID string

	head    chain
	opening uint64
	batch   uint64
	left    uint64
	good    int64 // where the last whole line ends
	torn    int64 // bytes after that which a torn write left; known at the end
	begun   bool
}

func newJournalReader(r io.Reader, runID string) *journalReader {
	return &journalReader{r: bufio.NewReaderSize(r, 64<<10), runID: runID}
}

// next returns the next record's line, nil at the end, or a *DamageError. What
// it returns is valid until the next call.
func (j *journalReader) next() (*journalLine, error) {
	if !j.begun {
		if ok, err := j.begin(); !ok {
			return nil, err
		}
	}
	raw, err := readLine(j.r)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	line, ok := parseLine(raw)
	if !ok {
		return nil, j.tail(raw)
	}
	line.offset = j.good
	if want := j.head.next(line.json); want != line.chain {
		return nil, &DamageError{j.good, "the chain is broken: a record was changed, added, moved or taken out"}
	}
	if !j.follows(line) {
		return nil, &DamageError{j.good, "the batch numbers do not go on"}
	}
	j.head, j.opening, j.batch, j.left = line.chain, line.opening, line.batch, line.left
	j.good += int64(len(raw))
	return &line, nil
}

// begin reads the first line. It reports false when there is none, or only
// part of one.
func (j *journalReader) begin() (bool, error) {
	first := firstLine(j.runID)
	raw, err := readLine(j.r)
	if err != nil {
		return false, fmt.Errorf("read journal: %w", err)
	}
	if !bytes.Equal(raw, first) {
		if bytes.HasPrefix(first, raw) {
			j.torn = int64(len(raw))
			return false, nil
		}
		return false, &DamageError{0, fmt.Sprintf("the first line is not that of run %s", j.runID)}
	}
	j.head = sha256.Sum256(first)
	j.good = int64(len(first))
	j.opening = 1
	j.begun = true
	return true, nil
}

// follows reports whether a line may come next: one of a batch that can, and in
// its order there.
func (j *journalReader) follows(line journalLine) bool {
	if !j.mayFollow(line) {
		return false
	}
	return line.opening != j.opening || line.batch != j.batch || line.left == j.left-1
}

// mayFollow reports whether a line is of the batch that was not read to its end
// or, when there is none, of the next; or of the first one after the journal was
// opened again.
func (j *journalReader) mayFollow(line journalLine) bool {
	batch := j.batch
	if j.left == 0 {
		batch++
	}
	return line.opening == j.opening && line.batch == batch || line.opening == j.opening+1 && line.batch == 1
}

// tail decides what a line that is not whole means. Only the last batch can
// have been torn, so a whole line of a later batch behind it proves damage.
func (j *journalReader) tail(raw []byte) error {
	for len(raw) > 0 {
		j.torn += int64(len(raw))
		var err error
		if raw, err = readLine(j.r); err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		if line, ok := parseLine(raw); ok && !j.mayFollow(line) {
			return &DamageError{j.good, "the line is not what was written, and whole records follow it"}
		}
	}
	return nil
}

// readLine returns the next line with its end, or what there is of one at the
// end of the file. It is empty at the end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			if len(long) > maxLine {
				return nil, errors.New("a line is too long")
			}
			continue
		case err != nil && err != io.EOF:
			return nil, err
		}
		if long == nil {
			return part, nil
		}
		return append(long, part...), nil
	}
}

// parseLine takes a line apart if it is whole.
func parseLine(raw []byte) (journalLine, bool) {
	var line journalLine
	raw, ok := bytes.CutSuffix(raw, []byte("\n"))
	if !ok || len(raw) < 9 || raw[8] != ' ' {
		return line, false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], raw[:8]); err != nil || !lowerHex(raw[:8]) {
		return line, false
	}
	rest := raw[9:]
	want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	if crc32.Checksum(rest, castagnoli) != want {
		return line, false
	}
	place, rest, ok1 := bytes.Cut(rest, []byte(" "))
	sumHex, json, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || len(sumHex) != hex.EncodedLen(len(line.chain)) {
		return line, false
	}
	if _, err := hex.Decode(line.chain[:], sumHex); err != nil {
		return line, false
	}
	line.json = json
	return line, parsePlace(place, &line.opening, &line.batch, &line.left)
}

// parsePlace reads numbers that points separate.
func parsePlace(place []byte, into ...*uint64) bool {
	parts := bytes.Split(place, []byte("."))
	if len(parts) != len(into) {
		return false
	}
	for i, p := range parts {
		var err error
		if *into[i], err = strconv.ParseUint(string(p), 10, 64); err != nil {
			return false
		}
	}
	return true
}

// lowerHex: a flipped bit must not turn one valid spelling into another.
func lowerHex(b []byte) bool {
	return bytes.IndexFunc(b, func(c rune) bool { return c >= 'A' && c <= 'F' }) < 0
}
