package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// lines returns a script that prints n lines of several lengths, and its output.
func lines(n int) (script, want string) {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("0123456789", i%7) + "\n")
	}
	script = fmt.Sprintf(`awk "BEGIN { for (i = 0; i < %d; i++) { s = \"\"; for (j = 0; j < i %% 7; j++) s = s \"0123456789\"; print s } }"`, n)
	return script, b.String()
}

// printAndStay opens a pty session whose command prints lines and then waits
// for input: two seconds after its end an agent gives up on what was not
// acknowledged. It returns once all has arrived.
func printAndStay(t *testing.T, l *Lab, n *node, count int) {
	t.Helper()
	script, want := lines(count)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartInteractiveCommand",
		"Parameters": object{"command": []string{"stty -echo; " + script + "; echo whole; read -r line"}}})
	c.expect("whole\r\n")
	if got := strings.ReplaceAll(c.stdout.String(), "\r\n", "\n"); got != want+"whole\n" {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want)+6)
	}
}

func TestDisconnectAndResumeLoseNothing(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Agent.Pacing = time.Millisecond // so that acknowledgements keep up, as with an agent
		spec.Faults = hclspec.Faults{Disconnect: hclspec.Trigger{Repeats: true, Messages: 30}, Seed: 1}
	})
	printAndStay(t, l, n, 2000)
	if info := l.Sessions()[0]; info.Opens < 3 {
		t.Errorf("the channel was opened %d times, want several", info.Opens)
	}
}

func TestLossDuplicationAndReorderLoseNothing(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Faults = hclspec.Faults{Drop: 0.05, Duplicate: 0.1, Reorder: 0.2, Seed: 7}
	})
	// An agent sends again only the oldest message, so each loss costs at least
	// 200 ms: a few dozen messages are enough.
	printAndStay(t, l, n, 60)
}

func TestLatencyIsOneWay(t *testing.T) {
	const latency = 40 * time.Millisecond
	l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Nodes[0].Faults = &hclspec.Faults{Latency: latency} })
	c := l.open(t, object{"Target": n.id})
	c.typeLine("echo $((1+1))")
	c.expect("2\r\n")
	begin := time.Now()
	c.typeLine("echo $((20+22))")
	c.expect("42\r\n")
	if d := time.Since(begin); d < 2*latency {
		t.Errorf("a round trip took %v, want at least %v", d, 2*latency)
	}
}
