package lab

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// confineThread gives up, for the calling thread and what it forks: new
// privileges through exec, ambient and inheritable capabilities, and the
// bounding set where the process may change it (root may; without it, nothing
// in the set can be gained because of no_new_privs).
func confineThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
			break // past the last capability, or not allowed
		}
		if err != nil {
			return err
		}
	}
	return clearInheritable()
}

// clearInheritable empties the thread's inheritable set, which survives exec.
func clearInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	return unix.Capset(&header, &data[0])
}

func onMainThread() bool { return unix.Gettid() == os.Getpid() }

// forkExec starts a process that dies with the calling thread. wait blocks
// until reap has succeeded: on a pidfd in the runtime's poller, so that a
// waiting process costs no thread.
func forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, func(reap func() bool), error) {
	pidfd := -1
	attr.Sys.Pdeathsig = syscall.SIGKILL
	attr.Sys.PidFD = &pidfd
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, err
	}
	return pid, func(reap func() bool) { waitProcess(pid, pidfd, reap) }, nil
}

func waitProcess(pid, pidfd int, reap func() bool) {
	if pidfd >= 0 && unix.SetNonblock(pidfd, true) == nil {
		file := os.NewFile(uintptr(pidfd), "pidfd")
		defer file.Close()
		conn, err := file.SyscallConn()
		reaped := false
		if err == nil {
			err = conn.Read(func(uintptr) bool { reaped = reap(); return reaped })
		}
		if err == nil && reaped {
			return
		}
	} else if pidfd >= 0 {
		unix.Close(pidfd)
	}
	waitBlocking(pid, reap)
}

// waitBlocking waits without taking the exit status, which reap does.
func waitBlocking(pid int, reap func() bool) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR && reap() {
			return
		}
	}
}
