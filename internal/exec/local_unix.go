//go:build unix

package exec

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func interruptGroup(cmd *exec.Cmd) { signalGroup(cmd, unix.SIGINT) }
func terminateGroup(cmd *exec.Cmd) { signalGroup(cmd, unix.SIGTERM) }
func killGroup(cmd *exec.Cmd)      { signalGroup(cmd, unix.SIGKILL) }

// signalGroup signals all of a command's process group. That it is gone already
// is no error.
func signalGroup(cmd *exec.Cmd, sig unix.Signal) { _ = unix.Kill(-cmd.Process.Pid, sig) }

// exitStatus returns the exit code as a shell has it, and the signal's name.
func exitStatus(state *os.ProcessState) (code int, signal string) {
	if state == nil {
		return 126, ""
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		name := unix.SignalName(ws.Signal())
		if len(name) > 3 {
			name = name[3:] // SIGKILL is KILL
		}
		return 128 + int(ws.Signal()), name
	}
	return state.ExitCode(), ""
}
