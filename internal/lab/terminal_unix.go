//go:build unix

package lab

import (
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// openTerminal makes a pty of 0 by 0 whose slave belongs to the account, so
// that its processes can open /dev/stdout and /dev/tty. The master blocks in the
// runtime's poller and not in a thread.
func openTerminal(a account) (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	if a.switches {
		if err := slave.Chown(int(a.uid), int(a.gid)); err != nil {
			slave.Close()
			return nil, nil, err
		}
	}
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		slave.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), slave, nil
}

func resizeTerminal(master *os.File, size channel.Size) error {
	conn, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var ioctlErr error
	err = conn.Control(func(fd uintptr) {
		ioctlErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{
			Row: uint16(min(size.Rows, 1<<16-1)),
			Col: uint16(min(size.Cols, 1<<16-1)),
		})
	})
	if err != nil {
		return nil // the session is ending
	}
	return ioctlErr
}

// giveFile lets the account open the pipe or file again by /dev/stdout.
func giveFile(f *os.File, a account) error {
	if !a.switches {
		return nil
	}
	return f.Chown(int(a.uid), int(a.gid))
}
