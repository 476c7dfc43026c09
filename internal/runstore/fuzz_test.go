package runstore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// readCost is what reading a journal may allocate: the reader's buffer, and
// for a line that is longer than it one that grows by quarters.
func readCost(journal []byte) int { return 256<<10 + 6*len(journal) }

// FuzzJournal reads journals that something happened to. Of each byte it is
// known whether it is good or torn; what is good reads again as the same, and
// what follows it is not needed for that.
func FuzzJournal(f *testing.F) {
	data, _ := journalOf(f, 1, 2, 1)
	f.Add(data)
	f.Add(data[:len(data)-9])
	f.Add(firstLine(testID))
	f.Add(append(bytes.Clone(data), "x\n"...))
	f.Add(append(bytes.Clone(data), strings.Repeat("x", 200<<10)...))
	f.Add(append(firstLine(testID), strings.Repeat("\n", 8<<10)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var good, torn int64
		var lines int
		var err error
		bounds.Check(t, readCost(data), func() {
			j := newJournalReader(bytes.NewReader(data), testID)
			lines, err = 0, nil
			for {
				var line *journalLine
				if line, err = j.next(); line == nil {
					break
				}
				lines++
			}
			good, torn = j.good, j.torn
		})
		if err != nil {
			if !errors.As(err, new(*DamageError)) {
				t.Fatalf("got %v, want a *DamageError", err)
			}
			return
		}
		if good+torn != int64(len(data)) {
			t.Fatalf("%d bytes, of which %d are good and %d torn", len(data), good, torn)
		}
		again := newJournalReader(bytes.NewReader(data[:good]), testID)
		for range lines {
			if line, err := again.next(); line == nil {
				t.Fatalf("what was good is not: %v", err)
			}
		}
		if line, err := again.next(); line != nil || err != nil || again.torn != 0 {
			t.Fatalf("after what was good: %v, %v, torn %d", line, err, again.torn)
		}
	})
}
