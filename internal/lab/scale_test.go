package lab

import (
	"sync"
	"testing"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func TestManyShellsAtOnce(t *testing.T) {
	const count = 60
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(count)}}, Options{})
	var running sync.WaitGroup
	for _, n := range l.nodes {
		running.Go(func() {
			c := l.open(t, object{"Target": n.id})
			c.typeLine("hostname; exit")
			c.expect(n.name + "\r\n")
			c.wait()
		})
	}
	running.Wait()
	eventually(t, "no process is left", func() bool { return l.Processes() == 0 })
	eventually(t, "all sessions have ended", func() bool { return len(l.sessions.list(true)) == 0 })
}
