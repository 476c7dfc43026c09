//go:build unix

package runstore

import "golang.org/x/sys/unix"

// setUmask sets the process's umask and returns what sets it back.
func setUmask(mask int) func() {
	old := unix.Umask(mask)
	return func() { unix.Umask(old) }
}
