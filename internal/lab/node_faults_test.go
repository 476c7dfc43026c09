package lab

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// startRefused reports whether the node takes no session now.
func (l *Lab) startRefused(t *testing.T, n *node) bool {
	t.Helper()
	status, answer := l.try(t, "StartSession", object{"Target": n.id})
	if status != 200 && answer["__type"] != "TargetNotConnected" {
		t.Fatalf("%d %v", status, answer)
	}
	return status != 200
}

// noExitCode waits for the end of a session that went with its node or agent.
func noExitCode(t *testing.T, c *client) {
	t.Helper()
	if err := ending(t, c); !errors.As(err, new(*channel.ExitMissingError)) {
		t.Errorf("the session ended with %v, want no exit code", err)
	}
}

func TestANodeRebootsByItself(t *testing.T) {
	for name, when := range map[string]hclspec.Trigger{"messages": after(8), "clock": {Time: 100 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			l, n := oneNode(t, func(spec *hclspec.Lab) {
				spec.Faults = hclspec.Faults{Reboot: when}
				spec.Nodes[0].RebootTime = 100 * time.Millisecond
			})
			boot := n.boot()
			c := l.open(t, runInput(n, "while :; do echo out; sleep 0.01; done"))
			noExitCode(t, c)
			if got := n.pingStatus(); got != "ConnectionLost" && n.boot() == boot {
				t.Errorf("ping status %s", got)
			}
			eventually(t, "the node is back", n.isOnline)
			if n.boot() == boot {
				t.Error("the boot id is the same")
			}
			if code, out, _ := l.run(t, n, "echo $SSMRUN_LAB_BOOT_ID"); code != 0 || strings.TrimSpace(out) != n.boot() {
				t.Errorf("after the reboot: %d %q", code, out)
			}
		})
	}
}

func TestAnAgentDies(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{AgentDies: after(8), AgentBack: 100 * time.Millisecond})
	boot := n.boot()
	c := l.open(t, runInput(n, "while :; do echo out; sleep 0.01; done"))
	noExitCode(t, c)
	eventually(t, "the agent is back", n.isOnline)
	if n.boot() != boot {
		t.Error("the boot id is another")
	}
	if code, out, _ := l.run(t, n, "echo again"); code != 0 || out != "again\n" {
		t.Errorf("after that: %d %q", code, out)
	}
}

func TestAnAgentDiesForGood(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{AgentDies: after(8)})
	noExitCode(t, l.open(t, runInput(n, "while :; do echo out; sleep 0.01; done")))
	if !l.startRefused(t, n) || n.pingStatus() != "ConnectionLost" {
		t.Errorf("ping status %s", n.pingStatus())
	}
}

// A hung agent says nothing, neither does the end of its session; the lab ends
// all the same.
func TestAnAgentHangs(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{AgentHangs: after(8)})
	c := l.open(t, runInput(n, "while :; do echo out; sleep 0.01; done"))
	eventually(t, "the agent hangs", func() bool { return !n.isOnline() })
	if !l.startRefused(t, n) {
		t.Error("a hung agent takes sessions")
	}
	l.ssm(t, "TerminateSession", object{"SessionId": c.ID()})
	eventually(t, "the session is over", func() bool { return l.Sessions()[0].Status == "Terminated" && !l.Sessions()[0].Ended.IsZero() })
	select {
	case <-c.Done():
		t.Errorf("the client learned of the end")
	default:
	}
}

func TestAHungAgentComesBackWithoutItsSessions(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{AgentHangs: after(8), AgentBack: 100 * time.Millisecond})
	c := l.open(t, runInput(n, "while :; do echo out; sleep 0.01; done"))
	noExitCode(t, c)
	eventually(t, "the agent is back", n.isOnline)
	if l.startRefused(t, n) {
		t.Error("the agent that is back takes no sessions")
	}
}
