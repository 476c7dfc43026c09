package lab

import "golang.org/x/sys/unix"

// forbidsPrograms reports whether dir is on a file system mounted noexec.
func forbidsPrograms(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
