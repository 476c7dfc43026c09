//go:build linux

package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/lab"
)

// TestBesideLatency prints how many round trips a session waits for: the slope of
// its time over the network's latency, up to 100 ms one way.
//
// The latency is on every connection, API and data channel, below TLS. A dial is
// answered by this machine's kernel at once, so what a client sends first is kept for
// one round trip more: TCP's.
func TestBesideLatency(t *testing.T) {
	needBeside(t)
	slow := &distance{}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "n.lab.hcl"), besideLab)
	spec, diags := loadLab(labBeside, dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	l, err := lab.Start(t.Context(), spec, lab.Options{TLS: true, Wrap: func(inner net.Listener) net.Listener {
		return farListener{inner, slow}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ca := filepath.Join(dir, "ca.pem")
	write(t, ca, string(l.CACertPEM()))
	b := &besides{t: t, dir: dir, target: besideTarget, env: trusting(append(l.Environ(), "AWS_CA_BUNDLE="+ca))}

	names, starts := b.programs(shellCommand("echo answered")...)
	names = append(names, "ssmrun apply, command", "ssmrun apply, shell")
	starts["ssmrun apply, command"] = func() *exec.Cmd { return b.applyOne("command") }
	starts["ssmrun apply, shell"] = func() *exec.Cmd { return b.applyOne("shell") }
	took := map[string]map[time.Duration]time.Duration{}
	for _, oneWay := range []time.Duration{0, 25 * time.Millisecond, 100 * time.Millisecond} {
		for _, name := range names {
			var each []time.Duration
			for range *besideRuns {
				start := starts[name]
				slow.set(0) // what is not measured is not slow
				cmd := start()
				slow.set(oneWay)
				each = append(each, untilDone(t, cmd))
			}
			if took[name] == nil {
				took[name] = map[time.Duration]time.Duration{}
			}
			took[name][oneWay] = slices.Min(each) // what the machine adds is never less than nothing
		}
	}
	for _, name := range names {
		trips := func(a, b time.Duration) float64 {
			return float64(took[name][b]-took[name][a]) / float64(2*(b-a))
		}
		t.Logf("%-22s %v; %.2f round trips from 0 to 25 ms, %.2f from 0 to 100 ms", name, took[name],
			trips(0, 25*time.Millisecond), trips(0, 100*time.Millisecond))
	}
}

// untilDone is the time from StartSession to a step's result by the events of
// `apply`, and of other programs from their start to their first output.
func untilDone(t testing.TB, cmd *exec.Cmd) time.Duration {
	t.Helper()
	if !slices.Contains(cmd.Args, "-json") {
		return measured(t, cmd, "answered").first
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := map[string]time.Time{}
	err = events(stdout, func(e logged) { at[e.Type] = e.At })
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	return at["step_complete"].Sub(at["session_start"])
}

// applyOne is a run of one step.
func (b *besides) applyOne(kind string) *exec.Cmd {
	dir := b.t.TempDir()
	write(b.t, filepath.Join(dir, "m.ssm.hcl"), "session \"m\" {\n  target = \""+b.target+"\"\n  kind   = \""+kind+"\"\n"+
		"  step \"one\" {\n    command = \"echo 42\"\n  }\n}\n")
	cmd := command(dir, "apply", "-auto-approve", "-json")
	cmd.Env = b.env
	return cmd
}

// distance is how long bytes take one way; it may change, for new connections.
type distance struct {
	mu     sync.Mutex
	oneWay time.Duration // guarded by mu
}

func (d *distance) set(oneWay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.oneWay = oneWay
}

func (d *distance) get() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.oneWay
}

// farListener accepts connections over a distance.
type farListener struct {
	net.Listener
	distance *distance
}

func (l farListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	oneWay := l.distance.get()
	go carry(near, conn, 2*oneWay, oneWay) // each ends with its connections
	go carry(conn, near, 0, oneWay)
	return farConn{far, conn}, nil
}

// farConn has the addresses of the connection that it stands for.
type farConn struct {
	net.Conn
	real net.Conn
}

func (c farConn) LocalAddr() net.Addr  { return c.real.LocalAddr() }
func (c farConn) RemoteAddr() net.Addr { return c.real.RemoteAddr() }

// carry moves bytes from src to dst, each part after oneWay, the first after dial
// more.
func carry(dst, src net.Conn, dial, oneWay time.Duration) {
	type part struct {
		data []byte
		at   time.Time
	}
	parts := make(chan part, 4096)
	go func() {
		defer close(parts)
		begun := time.Now().Add(dial)
		for {
			buf := make([]byte, 16<<10)
			n, err := src.Read(buf)
			if n > 0 {
				at := time.Now()
				if at.Before(begun) {
					at = begun
				}
				parts <- part{buf[:n], at.Add(oneWay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parts {
		time.Sleep(time.Until(p.at))
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	dst.Close()
	src.Close()
	for range parts { // until the reader has ended
	}
}
