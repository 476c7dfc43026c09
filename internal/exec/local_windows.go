package exec

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// interruptGroup sends Ctrl-Break, which is what a process group can be sent.
func interruptGroup(cmd *exec.Cmd) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(cmd.Process.Pid))
}

func terminateGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
func killGroup(cmd *exec.Cmd)      { _ = cmd.Process.Kill() }

func exitStatus(state *os.ProcessState) (code int, signal string) {
	if state == nil {
		return 126, ""
	}
	return state.ExitCode(), ""
}
