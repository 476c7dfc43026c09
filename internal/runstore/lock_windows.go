package runstore

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is where the locked byte is: behind the text, which others may
// read.
const lockOffset = 1 << 20

func tryLock(f *os.File) error {
	at := windows.Overlapped{Offset: lockOffset}
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if err == windows.ERROR_LOCK_VIOLATION {
		return errHeld
	}
	return err
}
