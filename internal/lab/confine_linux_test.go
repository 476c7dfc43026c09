package lab

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// statusOf reads fields of /proc/self/status as the node's own command sees
// them.
func statusOf(t testing.TB, l *Lab, n *node) map[string]string {
	t.Helper()
	code, stdout, stderr := l.run(t, n, "cat /proc/self/status")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(stdout) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

func TestNodeCommandsHaveNoPrivileges(t *testing.T) {
	for _, user := range []string{"", "root"} {
		if user != "" && os.Geteuid() != 0 {
			continue
		}
		t.Run("user "+user, func(t *testing.T) {
			l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Nodes[0].User = user })
			got := statusOf(t, l, n)
			want := map[string]string{"NoNewPrivs": "1"}
			for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
				want[set] = "0000000000000000"
			}
			if os.Geteuid() == 0 {
				want["CapBnd"] = "0000000000000000" // without root it cannot be emptied, and no_new_privs makes it moot
				want["Groups"] = ""
			}
			want["Uid"] = strings.TrimSpace(strings.Repeat(fmt.Sprint(n.account.uid)+" ", 4))
			want["Gid"] = strings.TrimSpace(strings.Repeat(fmt.Sprint(n.account.gid)+" ", 4))
			for field, value := range want {
				if got[field] != value {
					t.Errorf("%s: got %q, want %q", field, got[field], value)
				}
			}
			if user == "" && os.Geteuid() == 0 && n.account.uid == 0 {
				t.Error("as root, the nodes run as root")
			}
		})
	}
}

func TestSsmrunsEnvironmentDoesNotReachNodes(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
	t.Setenv("SSMRUN_VAR_password", "do-not-leak")
	l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Nodes[0].Env = map[string]string{"ROLE": "web"} })
	_, stdout, _ := l.run(t, n, "env; cat /proc/self/environ; cat /proc/$PPID/environ 2>/dev/null; true")
	if strings.Contains(stdout, "do-not-leak") {
		t.Errorf("a node sees ssmrun's environment:\n%s", stdout)
	}
	if !strings.Contains(stdout, "ROLE=web\n") {
		t.Errorf("the lab file's environment is not there:\n%s", stdout)
	}
}

func TestThisProgramKeepsItsPrivileges(t *testing.T) {
	before, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	l, n := oneNode(t, nil)
	l.run(t, n, "true")
	after, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"NoNewPrivs:", "CapBnd:", "CapEff:"} {
		pick := func(text []byte) string {
			_, rest, _ := strings.Cut(string(text), field)
			line, _, _ := strings.Cut(rest, "\n")
			return line
		}
		if pick(before) != pick(after) {
			t.Errorf("%s was %s and is %s", field, pick(before), pick(after))
		}
	}
}

func TestCloseKillsWhatEscaped(t *testing.T) {
	script := strings.Join([]string{
		"sleep 1001 </dev/null >/dev/null 2>&1 &",                                       // in the background
		"setsid sleep 1002 </dev/null >/dev/null 2>&1 &",                                // in a session of its own
		"(setsid sh -c 'sleep 1003 & sleep 1003' </dev/null >/dev/null 2>&1 &)",         // forked twice
		"(cd / && env -i /usr/bin/setsid /bin/sleep 1004 </dev/null >/dev/null 2>&1 &)", // without environment and directory
		"trap '' HUP TERM INT; nohup sleep 1005 </dev/null >/dev/null 2>&1 &",           // deaf to signals
		"sleep 0.2", // time to settle
		"echo started",
	}, "\n")
	l, err := Start(t.Context(), &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(2)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := l.run(t, l.nodes[0], script); code != 0 || stdout != "started\n" {
		t.Fatalf("got %d %q %q", code, stdout, stderr)
	}
	eventually(t, "all six sleeps and one shell are seen", func() bool { return l.Processes() == 7 })
	mark := l.id
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for pid, s := range readAllStats() {
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if strings.Contains(string(environ), mark) {
			t.Errorf("process %d is left: %+v", pid, s)
		}
		if s.parent == os.Getpid() && confined(fmt.Sprintf("/proc/%d/status", pid)) {
			t.Errorf("process %d is left, state %c", pid, s.state)
		}
	}
}

func TestRebootKillsOneNodesProcesses(t *testing.T) {
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(2)}}, Options{})
	background := "setsid sleep 1001 </dev/null >/dev/null 2>&1 & echo $!"
	l.run(t, l.nodes[0], background)
	_, other, _ := l.run(t, l.nodes[1], background)
	eventually(t, "both sleeps run", func() bool { return l.Processes() == 2 })
	l.nodes[0].goDown(powerOff)
	if n := l.Processes(); n != 1 {
		t.Errorf("%d processes are left, want that of the other node", n)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(other)); err != nil {
		t.Errorf("the other node's process is gone: %v", err)
	}
}

func TestEndOfSessionKillsByHabit(t *testing.T) {
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprint("kill_direct_child ", direct), func(t *testing.T) {
			l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Agent.KillDirectChild = direct })
			c := l.open(t, runInput(n, "setsid sleep 1001 </dev/null >/dev/null 2>&1 & echo up; wait"))
			c.expect("up")
			l.ssm(t, "TerminateSession", object{"SessionId": c.ID()})
			c.wait()
			want := 0
			if direct {
				want = 1 // what the child started stays, as with the agent
			}
			eventually(t, "the session's processes are as the habit leaves them", func() bool { return l.Processes() == want })
		})
	}
}
