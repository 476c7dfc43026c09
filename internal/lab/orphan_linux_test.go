package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// TestLabToBeKilled is not a test of its own: it is the program that
// TestKilledProgramLeavesNoShell kills.
func TestLabToBeKilled(t *testing.T) {
	if os.Getenv("SSMRUN_LAB_TO_BE_KILLED") == "" {
		t.Skip("run by TestKilledProgramLeavesNoShell")
	}
	l, err := Start(t.Context(), &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{Dir: os.Getenv("SSMRUN_LAB_TO_BE_KILLED")})
	if err != nil {
		t.Fatal(err)
	}
	shell := l.open(t, object{"Target": l.nodes[0].id})
	shell.typeLine("trap '' HUP; sleep 3")
	shell.expect("sleep 3\r\n")
	command := l.open(t, runInput(l.nodes[0], "echo up; while :; do sleep 1; done"))
	command.expect("up\n")
	fmt.Println("mark", l.id)
	select {}
}

func TestKilledProgramLeavesNoShell(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "ssmrun-lab-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLabToBeKilled$")
	cmd.Env = append(os.Environ(), "SSMRUN_LAB_TO_BE_KILLED="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mark string
	lines := bufio.NewScanner(out)
	for mark == "" && lines.Scan() {
		mark, _ = strings.CutPrefix(lines.Text(), "mark ")
		if !strings.HasPrefix(lines.Text(), "mark ") {
			mark = ""
		}
	}
	if mark == "" {
		t.Fatal("the program did not start its lab")
	}
	shells := func() (n int) {
		for pid := range readAllStats() {
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if strings.Contains(string(environ), mark) && strings.TrimSpace(string(name)) == "sh" {
				n++
			}
		}
		return n
	}
	if n := shells(); n < 2 {
		t.Errorf("%d shells before the kill, want two", n)
	}
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, "the shells died with the program", func() bool { return shells() == 0 })
}
