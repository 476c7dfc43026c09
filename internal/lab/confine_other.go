//go:build unix && !linux

package lab

import (
	"syscall"
	"time"
)

// confineThread has nothing to do here: these systems have neither
// no_new_privs nor capabilities. Processes still run as an unprivileged user
// when ssmrun is root.
func confineThread() error { return nil }

func onMainThread() bool { return false }

func forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, func(reap func() bool), error) {
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, err
	}
	return pid, waitPolling, nil
}

// waitPolling looks for the end of a child: a blocking wait4 would take the
// status while another goroutine may be about to signal the pid.
func waitPolling(reap func() bool) {
	for pause := time.Millisecond; !reap(); pause = min(2*pause, 50*time.Millisecond) {
		time.Sleep(pause)
	}
}
