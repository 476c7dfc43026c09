package runstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ssmrun/ssmrun/internal/event"
)

// Rescue writes records that a run's journal did not take to the file
// errored.RUN.journal in dir, one JSON object a line, and returns its path. It
// never writes over a file, and leaves none behind when it fails.
func Rescue(dir, runID string, records []event.Record) (string, error) {
	if err := checkID(runID); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "errored."+runID+".journal")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", fmt.Errorf("save records: %w", err)
	}
	var buf []byte
	for _, rec := range records {
		if buf, err = rec.AppendJSON(buf); err != nil {
			break
		}
		buf = append(buf, '\n')
	}
	if err == nil {
		_, err = f.Write(buf)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return "", fmt.Errorf("save records: %w", err)
	}
	return path, nil
}
