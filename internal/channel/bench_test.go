//go:build unix

package channel

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func BenchmarkAppendMessage(b *testing.B) {
	m := Message{Type: TypeOutput, CreatedDate: 1, ID: newUUID(), PayloadType: PayloadOutput, Payload: make([]byte, 1024)}
	frame := AppendMessage(nil, &m)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		frame = AppendMessage(frame[:0], &m)
	}
}

func BenchmarkParseMessage(b *testing.B) {
	frame := AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: make([]byte, 1024)})
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMessage(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAcknowledge(b *testing.B) {
	payload := (&Acknowledge{Type: TypeOutput, ID: newUUID(), Sequence: 12345, Sequential: true}).AppendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAcknowledge(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutputOverPipe is both ends: what a session's output costs without
// a network.
func BenchmarkOutputOverPipe(b *testing.B) {
	l := newLink(b, AgentConfig{})
	cfg := l.config()
	cfg.Stdout = nil
	benchmarkOutput(b, l.agent, cfg)
	l.attaches.Wait()
}

// BenchmarkOutputOverTLS is both ends and the socket between.
func BenchmarkOutputOverTLS(b *testing.B) {
	a := NewAgent(AgentConfig{SessionID: "s-1"})
	address, opts := serveAgent(b, a, true)
	benchmarkOutput(b, a, Config{SessionID: "s-1", Token: "token",
		Dial: func(ctx context.Context) (Transport, error) { return DialWebsocket(ctx, address, opts) }})
}

func benchmarkOutput(b *testing.B, a *Agent, cfg Config) {
	s, err := Connect(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	part := make([]byte, 64<<10)
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Stdout(part); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	stats := a.Stats()
	b.ReportMetric(float64(stats.Retransmissions)/float64(stats.MessagesSent), "resent/message")
	a.Terminate("")
	s.Close()
}

// BenchmarkSession is a whole session of the shortest kind, both ends, over
// wss with resumed TLS: handshake, a line of output, exit code, close.
func BenchmarkSession(b *testing.B) {
	agents := make(chan *Agent, 1)
	address, opts := serveAgents(b, agents)
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ReportAllocs()
	for b.Loop() {
		a := NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: NonInteractiveCommands})
		agents <- a
		s, err := Connect(b.Context(), Config{SessionID: "s-1", Token: "token",
			Dial: func(ctx context.Context) (Transport, error) { return DialWebsocket(ctx, address, opts) }})
		if err != nil {
			b.Fatal(err)
		}
		a.Stdout([]byte("hello\n"))
		a.Exit(0)
		a.Close("")
		if err := s.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := func(r *syscall.Rusage) time.Duration { return time.Duration(r.Utime.Nano() + r.Stime.Nano()) }
	b.ReportMetric(float64(cpu(&after)-cpu(&before))/float64(b.N)/1e6, "cpu-ms/session")
}

// BenchmarkOpenSessions measures what an open session keeps, both ends
// together, over wss.
func BenchmarkOpenSessions(b *testing.B) {
	const sessions = 200
	agents := make(chan *Agent, 1)
	address, opts := serveAgents(b, agents)
	for b.Loop() {
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapInuse + m.StackInuse
		}
		before := heap()
		open := make([]*Session, sessions)
		ends := make([]*Agent, sessions)
		for i := range open {
			ends[i] = NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: NonInteractiveCommands})
			agents <- ends[i]
			s, err := Connect(b.Context(), Config{SessionID: "s-1", Token: "token",
				Dial: func(ctx context.Context) (Transport, error) { return DialWebsocket(ctx, address, opts) }})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Ready(b.Context()); err != nil {
				b.Fatal(err)
			}
			ends[i].Stdout(make([]byte, 4<<10))
			open[i] = s
		}
		b.ReportMetric(float64(heap()-before)/sessions/1024, "KiB/both-ends")
		for i, s := range open {
			s.Close()
			ends[i].Terminate("")
		}
	}
}
