package channel

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheAgentWaitsTwoSecondsForItsAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands})
		stuck := make(chan struct{})
		s := l.connect(func(c *Config) {
			c.Stdout = writerFunc(func(p []byte) (int, error) { <-stuck; return len(p), nil })
		})
		l.agent.Stdout([]byte("x"))
		l.agent.Exit(0)
		start := time.Now()
		closed := make(chan time.Duration, 1)
		go func() { l.agent.Close(""); closed <- time.Since(start) }()
		time.Sleep(2*time.Second - time.Millisecond)
		if l.agent.Stats().MessagesSent == 0 {
			t.Error("nothing was sent")
		}
		time.Sleep(3 * time.Second)
		close(stuck)
		// The client's reader was blocked; what is on the wire still counts,
		// and the exit code had been written before channel_closed.
		wantExit(t, s.Wait(within(t, time.Second)), 0)
		if took := <-closed; took < 2*time.Second {
			t.Errorf("close took %v", took)
		}
		l.end(s)
	})
}

// attachTo attaches a client to the agent. What Attach returns comes over left.
func attachTo(t *testing.T, a *Agent) (client Transport, left chan error) {
	client, service := Pipe()
	left = make(chan error)
	go func() { left <- a.Attach(t.Context(), service, nil) }()
	client.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t"}`)})
	return client, left
}

func TestWhatIsUnacknowledgedAtTheEndIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewAgent(AgentConfig{SessionID: "s-1"})
		client, left := attachTo(t, w)
		w.Stdout([]byte("x"))
		start := time.Now()
		closed := make(chan struct{})
		go func() { w.Close("too late"); close(closed) }()
		var sends []time.Duration
		for {
			frame, err := client.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			m, err := ParseMessage(frame.Data)
			if err != nil {
				t.Fatal(err)
			}
			if m.Type == TypeOutput {
				sends = append(sends, time.Since(start))
			}
			if m.Type == TypeChannelClosed {
				break
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("channel_closed after %v", took)
		}
		if len(sends) != 4 { // at 0, 200, 600 and 1400 ms
			t.Errorf("sent at %v", sends)
		}
		client.Close()
		<-closed
		if err := <-left; err != nil {
			t.Errorf("attach returned %v", err)
		}
	})
}

func TestTheAgentSendsOnlyItsHeadOfLineAgain(t *testing.T) {
	for burst, want := range map[int]int64{1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			a := NewAgent(AgentConfig{SessionID: "s-1", Resend: burst})
			client, left := attachTo(t, a)
			synctest.Wait()
			for range 5 {
				a.Stdout([]byte("x"))
			}
			time.Sleep(initialRTO + time.Millisecond)
			if got := a.Stats().Retransmissions; got != want {
				t.Errorf("Resend %d: %d retransmissions, want %d", burst, got, want)
			}
			client.Close()
			<-left
			a.Terminate("")
		})
	}
}

func TestAttachRefusesAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1"})
		refused := errors.New("refused")
		for _, first := range []Frame{
			{Text: true, Data: []byte(`{"TokenValue":"wrong"}`)},
			{Text: true, Data: []byte(`{`)},
			{Text: true, Data: []byte(`{}`)},
			{Data: []byte(`{"TokenValue":"right"}`)},
		} {
			client, service := Pipe()
			client.WriteFrame(first)
			err := a.Attach(t.Context(), service, func(open OpenDataChannel) error {
				if open.TokenValue != "right" {
					return refused
				}
				return nil
			})
			if err == nil {
				t.Errorf("attached with %s", first.Data)
			}
			if _, err := client.ReadFrame(); err == nil {
				t.Error("the connection goes on")
			}
		}
		if !a.Paused() {
			t.Error("somebody is attached")
		}
		a.Terminate("")
	})
}

func TestTheNewestConnectionWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1"})
		a.Stdout([]byte("kept"))
		old, service := Pipe()
		left := make(chan error, 2)
		attach := func(t Transport) { left <- a.Attach(context.Background(), t, nil) }
		go attach(service)
		old.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t"}`)})
		synctest.Wait()
		client, service := Pipe()
		go attach(service)
		client.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t","ClientVersion":"2"}`)})
		if err := <-left; err == nil {
			t.Error("the old connection ended without an error")
		}
		for _, want := range []string{TypeStartPublication, TypeOutput} {
			frame, err := client.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if m, err := ParseMessage(frame.Data); err != nil || m.Type != want {
				t.Errorf("got %+v, %v, want %s", m, err, want)
			}
		}
		if got := a.Client().ClientVersion; got != "2" {
			t.Errorf("client version is %q", got)
		}
		client.Close()
		<-left
		a.Terminate("")
	})
}

func TestAttachEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1"})
		client, service := Pipe()
		client.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t"}`)})
		if err := a.Attach(within(t, time.Second), service, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("attach returned %v", err)
		}
		client, service = Pipe()
		start := time.Now()
		if err := a.Attach(t.Context(), service, nil); err == nil || time.Since(start) != openTimeout {
			t.Errorf("a client that says nothing: %v after %v", err, time.Since(start))
		}
		client.Close()
		a.Terminate("")
	})
}

func TestAClientThatComesAfterTheEndIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		l.agent.Terminate("it is over")
		if err := l.agent.Stdout([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("stdout returned %v", err)
		}
		if err := l.agent.Ready(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("ready returned %v", err)
		}
		s := l.connect()
		if missing := wantMissing(t, s.Wait(within(t, time.Second))); missing.Output != "it is over" {
			t.Errorf("got %+v", missing)
		}
		l.end(s)
	})
}

func TestTerminateDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{})
		s := l.connect()
		l.agent.Stdout([]byte("$ "))
		synctest.Wait()
		start := time.Now()
		l.agent.Terminate("terminated")
		if missing := wantMissing(t, s.Wait(context.Background())); missing.Output != "terminated" {
			t.Errorf("got %+v", missing)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		l.end(s)
	})
}

func TestAHandshakeWithoutAnswerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: Port})
		client, left := attachTo(t, a)
		start := time.Now()
		err := a.Ready(context.Background())
		if err == nil || !strings.Contains(err.Error(), "timed out") || time.Since(start) != 15*time.Second {
			t.Errorf("ready returned %v after %v", err, time.Since(start))
		}
		client.Close()
		<-left
		synctest.Wait()
	})
}

func TestAnActionThatFailsEndsTheSessionWithTheAgentsWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, AgentConfig{Handshake: true, SessionType: "Telepathy"})
		s := l.connect()
		missing := wantMissing(t, s.Wait(within(t, time.Second)))
		var unsupported *UnsupportedError
		if want := "SessionType failed on client with status 2 error: "; !strings.HasPrefix(missing.Output, want) || !errors.As(missing, &unsupported) {
			t.Errorf("got %v", missing)
		}
		l.end(s)
	})
}

func TestInputBeforeTheHandshakeIsAcknowledgedAndThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: Port, Input: func(PayloadType, []byte) error {
			t.Error("input came through")
			return nil
		}})
		client, left := attachTo(t, a)
		client.WriteFrame(Frame{Data: AppendMessage(nil, &Message{Type: TypeInput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: []byte("x")})})
		acknowledged := false
		for !acknowledged {
			frame, err := client.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			m, err := ParseMessage(frame.Data)
			acknowledged = err == nil && m.Type == TypeAcknowledge
		}
		client.Close()
		<-left
		a.Terminate("")
	})
}

func TestTheHandshakeIsCompletedBehindTheAcknowledgementOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1", Handshake: true, SessionType: Port})
		client, left := attachTo(t, a)
		answer := `{"ClientVersion":"1.2.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1}]}`
		client.WriteFrame(Frame{Data: AppendMessage(nil, &Message{Type: TypeInput, CreatedDate: 1,
			PayloadType: PayloadHandshakeResponse, Payload: []byte(answer)})})
		acknowledged := false
		for {
			frame, err := client.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			m, err := ParseMessage(frame.Data)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = acknowledged || m.Type == TypeAcknowledge
			if m.PayloadType == PayloadHandshakeComplete {
				break
			}
		}
		if !acknowledged {
			t.Error("the completion came before the acknowledgement")
		}
		if err := a.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		client.Close()
		<-left
		a.Terminate("")
	})
}

// TestAResumedClientThatDoesNotAcknowledgeAgainGetsTheRest: AWS's plugin ignores
// what it has. When acknowledgements were lost with a connection, that is all the
// agent hears on the next one.
func TestAResumedClientThatDoesNotAcknowledgeAgainGetsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1"})
		const had, all = 100, 300
		came := map[int64]bool{} // the pump's messages and a sender's may overtake each other
		for _, last := range []int{had, all} {
			client, left := attachTo(t, a)
			if len(came) == 0 {
				go func() {
					for range all {
						a.Stdout([]byte("x"))
					}
					a.Close("")
				}()
			}
			for len(came) < last {
				frame, err := client.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				m, err := ParseMessage(frame.Data)
				if err != nil {
					t.Fatal(err)
				}
				if m.Type == TypeChannelClosed {
					t.Fatalf("the session ended with %d of %d messages", len(came), all)
				}
				if m.Type == TypeOutput {
					came[m.Sequence] = true
				}
			}
			client.Close()
			<-left
		}
		<-a.Done()
		a.Terminate("")
	})
}

// What serves a port closes its agent when the session is terminated: that may
// come while the one who terminates it still waits.
func TestTheFirstToEndTheAgentHasTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(AgentConfig{SessionID: "s-1"})
		a.Stdout([]byte("x")) // nobody acknowledges it, so that the end waits
		done := make(chan struct{})
		go func() { a.Close("idle for too long"); close(done) }()
		synctest.Wait()
		a.Close("")
		<-done
		m, err := ParseMessage(a.closed)
		if err != nil {
			t.Fatal(err)
		}
		if closed, err := ParseChannelClosed(m.Payload); err != nil || closed.Output != "idle for too long" {
			t.Errorf("got %+v, %v", closed, err)
		}
	})
}
