package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const sshProperties = `{"portNumber":"22"}`

// portLink joins a port session's client to an agent whose input goes to take.
func portLink(t testing.TB, properties, version string, take func(PayloadType, []byte) error) *link {
	return newLink(t, AgentConfig{
		Handshake: true, SessionType: Port, Properties: json.RawMessage(properties), AgentVersion: version,
		Input: take, Resend: 16,
	})
}

func takePort(c *Config) { c.TakePort = true }

func (l *link) port(s *Session) *PortStream {
	l.t.Helper()
	p, err := s.Port(within(l.t, time.Minute))
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func TestAPortSessionIsAStreamEachWay(t *testing.T) {
	for name, faults := range map[string]Faults{
		"good network": {},
		"bad network":  {Drop: 0.05, Duplicate: 0.05, Reorder: 0.1, Latency: 20 * time.Millisecond, CutAfter: 150},
	} {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			up, down := append([]byte("a\nb\r\n"), randomBytes(rng, 512<<10)...), randomBytes(rng, 512<<10)
			var got recorder
			l := portLink(t, sshProperties, "", func(kind PayloadType, p []byte) error {
				if kind != PayloadOutput || len(p) > 1024 {
					t.Errorf("input of type %d, %d bytes", kind, len(p))
				}
				_, err := got.Write(p)
				return err
			})
			l.faults = func(n int) Faults {
				f := faults
				if f.Seed = uint64(n); n > 3 {
					f.CutAfter = 0
				}
				return f
			}
			s := l.connect(takePort)
			p := l.port(s)
			sent := make(chan error, 2)
			go func() { _, err := p.Write(up); sent <- err }()
			go func() { sent <- l.agent.Stdout(down) }()
			received := make([]byte, len(down))
			if _, err := io.ReadFull(p, received); err != nil {
				t.Error(err)
			}
			for range cap(sent) {
				if err := <-sent; err != nil {
					t.Error(err)
				}
			}
			if err := p.Drain(within(t, time.Hour)); err != nil {
				t.Error(err)
			}
			if sha256.Sum256(received) != sha256.Sum256(down) || sha256.Sum256([]byte(got.String())) != sha256.Sum256(up) {
				t.Errorf("%s: bytes differ", name)
			}
			l.agent.Close("")
			if n, err := p.Read(received); n != 0 || err != io.EOF {
				t.Errorf("%s: behind the end came %d bytes, %v", name, n, err)
			}
			if l.stdout.String() != "" {
				t.Errorf("%s: bytes of the port on stdout", name)
			}
			l.end(s)
		})
	}
}

// A program that echoes reads only when its writes are taken. What the target
// sends meanwhile must not keep back the acknowledgements that it waits for.
func TestAReaderThatOnlyReadsBetweenItsWritesIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := portLink(t, sshProperties, "", func(PayloadType, []byte) error {
			time.Sleep(10 * time.Millisecond) // a target that is slower than its answers
			return nil
		})
		s := l.connect(takePort)
		p := l.port(s)
		down := randomBytes(rand.New(rand.NewPCG(3, 4)), 8<<20)
		go l.agent.Stdout(down)
		buf, echoed := make([]byte, 4<<10), 0
		for echoed < 2<<20 {
			n, err := p.Read(buf)
			if err != nil || !bytes.Equal(buf[:n], down[echoed:echoed+n]) {
				t.Fatalf("after %d bytes: %v", echoed, err)
			}
			if _, err := p.Write(buf[:n]); err != nil {
				t.Fatal(err)
			}
			echoed += n
		}
		l.end(s)
	})
}

func TestAPortThatIsNotReadHoldsTheTargetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := portLink(t, sshProperties, "", nil)
		s := l.connect(takePort)
		p := l.port(s)
		var sent recorder
		go func() {
			for l.agent.Stdout(make([]byte, 1024)) == nil {
				sent.Write([]byte{0})
			}
		}()
		time.Sleep(time.Minute)
		if n := len(sent.String()); n > 5000 || s.Stats().BytesReceived > 2*inletLimit {
			t.Errorf("%d messages were sent, %d bytes taken", n, s.Stats().BytesReceived)
		}
		p.Close() // though its receiving goroutine waits
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("read after close: %v", err)
		}
		l.end(s)
	})
}

func TestFlagsTravelInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		l := portLink(t, sshProperties, "", func(kind PayloadType, p []byte) error {
			got = append(got, string(rune('0'+kind))+string(p))
			return nil
		})
		s := l.connect(takePort)
		p := l.port(s)
		p.Write([]byte("x"))
		p.Disconnect()
		p.Write([]byte("y"))
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		want := []string{"1x", ":\x00\x00\x00\x01", "1y", ":\x00\x00\x00\x02"} // ':' is '0'+10
		if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Errorf("got %q", got)
		}
		if p.TakeRefusal() {
			t.Error("a refusal, and the agent sent none")
		}
		l.agent.Send(PayloadFlag, AppendFlag(nil, FlagConnectToPortError))
		synctest.Wait()
		if !p.TakeRefusal() || p.TakeRefusal() {
			t.Error("one refusal came, and was not told once")
		}
		l.end(s)
	})
}

func TestVersionsDecide(t *testing.T) {
	const forward = `{"portNumber":"80","localPortNumber":"0","type":"LocalPortForwarding"}`
	for _, tt := range []struct {
		agent, client, properties    string
		multiplexed, keepAlive, flag bool
	}{
		{"3.3.2299.0", "", forward, true, false, true},
		{"3.3.2299.0", "", sshProperties, false, false, true},
		{"3.1.1511.0", "", forward, true, true, true}, // "strictly greater"
		{"3.1.1512.0", "", forward, true, false, true},
		{"3.0.196.0", "", forward, false, true, true},
		{"3.0.197.0", "", forward, true, true, true},
		{"2.3.722.0", "", forward, false, true, false},
		{"2.3.723.0", "", forward, false, true, true},
		{"3.3.2299", "", forward, false, true, false}, // not as many parts
		{"3.3.2299.0.1", "", forward, false, true, false},
		{"3.3.x.0", "", forward, false, true, false},
		{"10.0.0.0", "", forward, true, false, true},
		{"3.3.2299.0", "1.1.69.0", forward, false, false, true}, // the agent gives it a plain stream
		{"3.3.2299.0", "1.1.70", forward, true, false, true},
		{"3.3.2299.0", "0.1.0", forward, false, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := portLink(t, tt.properties, tt.agent, nil)
			s := l.connect(takePort, func(c *Config) { c.ClientVersion = tt.client })
			p := l.port(s)
			if p.Multiplexed() != tt.multiplexed || p.KeepAlive() != tt.keepAlive || (p.Terminate() == nil) != tt.flag {
				t.Errorf("%+v: got %v %v", tt, p.Multiplexed(), p.KeepAlive())
			}
			synctest.Wait()
			if want := s.cfg.ClientVersion; l.agent.ClientVersion() != want {
				t.Errorf("the agent knows of client %q, want %q", l.agent.ClientVersion(), want)
			}
			l.end(s)
		})
	}
}

func TestAnAgentGoesByTheClientsVersion(t *testing.T) {
	for version, want := range map[string][2]bool{ // multiplexes, keeps alive
		"1.2.677.0": {true, false},
		"1.2.331.0": {true, true},
		"1.2.332.0": {true, false},
		"1.2.331":   {true, true},
		"1.1.70":    {true, true},
		"1.1.70.0":  {true, true},
		"1.1.69.9":  {false, true},
		"":          {false, true},
		"2":         {true, false},
	} {
		if got := [2]bool{ClientMultiplexes(version), ClientNeedsKeepAlive(version)}; got != want {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
}

func TestWhatIsNoPortSessionIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shell := newLink(t, AgentConfig{})
		s := shell.connect(takePort)
		shell.agent.Stdout([]byte("$ "))
		var not *NotPortError
		if _, err := s.Port(within(t, time.Minute)); !errors.As(err, &not) || not.Type != "" {
			t.Errorf("a shell: %v", err)
		}
		if synctest.Wait(); shell.stdout.String() != "$ " {
			t.Errorf("its output was %q", shell.stdout.String())
		}
		shell.end(s)

		command := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands})
		s = command.connect(takePort)
		if _, err := s.Port(within(t, time.Minute)); !errors.As(err, &not) || not.Type != NonInteractiveCommands {
			t.Errorf("a command: %v", err)
		}
		command.end(s)

		silent := newLink(t, AgentConfig{})
		s = silent.connect(takePort)
		if _, err := s.Port(within(t, time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent shell: %v", err)
		}
		silent.agent.Terminate("")
		if _, err := s.Port(within(t, time.Minute)); err == nil {
			t.Error("a session that ended gave a port")
		}
		silent.end(s)
	})
}

func TestBadPortSessionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := portLink(t, `{"portNumber":22}`, "", nil)
		s := l.connect(takePort)
		var unsupported *UnsupportedError
		if err := s.Wait(within(t, time.Minute)); !errors.As(err, &unsupported) {
			t.Errorf("a port number that is no string: %v", err)
		}
		l.end(s)

		for kind, payload := range map[PayloadType]string{PayloadExitCode: "EXIT_CODE: 0", PayloadStdErr: "x", PayloadFlag: "12345"} {
			l := portLink(t, sshProperties, "", nil)
			s := l.connect(takePort)
			p := l.port(s)
			l.agent.Send(kind, []byte(payload))
			var protocol *ProtocolError
			if _, err := p.Read(make([]byte, 1)); !errors.As(err, &protocol) {
				t.Errorf("payload type %d: %v", kind, err)
			}
			l.end(s)
		}
	})
}

func TestABrokenPortSessionIsNoEndOfFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := portLink(t, sshProperties, "", nil)
		s := l.connect(takePort, func(c *Config) { c.Resume = nil })
		p := l.port(s)
		l.agent.Stdout([]byte("half"))
		synctest.Wait()
		l.agent.mu.Lock()
		l.agent.transport.Close()
		l.agent.mu.Unlock()
		b, err := io.ReadAll(p)
		if string(b) != "half" || err == nil {
			t.Errorf("got %q, %v", b, err)
		}
		l.end(s)
	})
}
