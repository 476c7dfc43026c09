package runstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// LockedError says that another process is writing the run.
type LockedError struct {
	RunID string
	By    string // what that process wrote about itself
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("run %s is being written by %s", e.RunID, e.By)
}

// errHeld is what tryLock returns when somebody else has the lock.
var errHeld = errors.New("lock is held")

// lockPatience covers the moments in which a reader looks whether a run is
// live, which takes the lock too.
const lockPatience = 200 * time.Millisecond

// The lock is the kernel's, on an open file: it goes when the process does, so
// a lock file that is there means nothing.

// takeLock takes the run's lock for writing. Closing the file lets it go.
func takeLock(dir *os.Root, runID string) (*os.File, error) {
	f, err := dir.OpenFile(lockName, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		if err = tryLock(f); !errors.Is(err, errHeld) || time.Now().After(deadline) {
			break
		}
	}
	if errors.Is(err, errHeld) {
		holder, _ := io.ReadAll(io.LimitReader(f, 256))
		f.Close()
		return nil, &LockedError{RunID: runID, By: strings.TrimSpace(string(holder))}
	}
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		name, _ := os.Hostname()
		_, err = fmt.Fprintf(f, "process %d on %s since %s\n", os.Getpid(), name, time.Now().UTC().Format(time.RFC3339))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take lock: %w", err), f.Close())
	}
	return f, nil
}

// live reports whether a process holds the run's lock.
func live(dir *os.Root) bool {
	f, err := dir.OpenFile(lockName, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(tryLock(f), errHeld)
}
