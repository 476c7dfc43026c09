package channel

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The tests of this file are the faults of AWS's client as a probe of it found
// them, P1 to P11, each turned into what this one does instead.

func TestP1DuplicatesAreAcknowledgedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "a")
		w.wantAcks(0)
		w.send(0, PayloadOutput, "a")
		w.wantAcks(0)
		w.send(2, PayloadOutput, "c")
		w.send(2, PayloadOutput, "c")
		w.wantAcks(2, 2)
		w.send(1, PayloadOutput, "b")
		w.send(2, PayloadOutput, "c")
		w.wantAcks(1, 2)
		if w.out.String() != "abc" {
			t.Errorf("got %q", w.out.String())
		}
	})
}

func TestP2P3P4BadLengthsEndTheSessionWithAnError(t *testing.T) {
	good := AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: []byte("good")})
	change := func(at int, value uint32) []byte {
		bad := append([]byte(nil), good...)
		binary.BigEndian.PutUint32(bad[at:], value)
		return bad
	}
	for name, bad := range map[string][]byte{
		"header length 100000":  change(0, 100_000),
		"header length 2^32-1":  change(0, math.MaxUint32),
		"header length 0":       change(0, 0),
		"header length 117":     change(0, 117),
		"payload length 0":      change(116, 0),
		"payload length 9999":   change(116, 9999),
		"payload length 2^32-1": change(116, math.MaxUint32),
		"no payload":            good[:120],
		"half a header":         good[:60],
		"nothing":               {},
		"no date":               change(44, 0),
		"too large":             AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, Payload: make([]byte, maxPayload+1)}),
		"negative number":       AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, Sequence: -1}),
		"type of control bytes": AppendMessage(nil, &Message{Type: "\x1b[2J", CreatedDate: 1}),
		"no type":               AppendMessage(nil, &Message{CreatedDate: 1}),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := byHand(t)
			w.sendRaw(bad)
			missing := wantMissing(t, w.s.Wait(within(t, time.Minute)))
			var protocol *ProtocolError
			if !errors.As(missing, &protocol) {
				t.Errorf("%s: ended with %v", name, missing)
			}
			w.wantAcks()
		})
	}
}

func TestP4AWrongDigestIsDroppedAndComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		good := AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: []byte("good")})
		evil := append(good[:120:120], "EVIL"...)
		w.sendRaw(evil)
		w.wantAcks()
		w.sendRaw(good)
		w.wantAcks(0)
		if w.out.String() != "good" || w.s.Stats().Corrupt != 1 {
			t.Errorf("got %q, %+v", w.out.String(), w.s.Stats())
		}
		for range maxCorruptRow {
			w.sendRaw(evil)
		}
		if missing := wantMissing(t, w.s.Wait(within(t, time.Minute))); !errors.Is(missing, ErrDigest) {
			t.Errorf("ended with %v", missing)
		}
	})
}

func TestP5ALineFeedStaysALineFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "$ ")
		w.s.Write([]byte("\n"))
		_, data := w.acks()
		if len(data) != 1 || string(data[0].Payload) != "\n" {
			t.Errorf("sent %+v", data)
		}
	})
}

func TestP6NothingUnacknowledgedIsEverDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "$ ")
		all := strings.Repeat("0123456789abcdef", 3*clientWindow*inputPayload/16)
		wrote := make(chan error)
		go func() { _, err := w.s.Write([]byte(all)); wrote <- err }()
		got := make(map[int64]string)
		for len(got) < 3*clientWindow {
			_, data := w.acks()
			for _, m := range data {
				got[m.Sequence] = string(m.Payload)
			}
			if int64(len(got)) < clientWindow {
				t.Fatalf("only %d messages came", len(got))
			}
			for sequence := range got {
				w.ack(sequence)
			}
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for sequence := range int64(len(got)) {
			text.WriteString(got[sequence])
		}
		if text.String() != all {
			t.Error("input is not what was written")
		}
	})
}

func TestP7AnEarlyMessageThatIsRefusedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		ready := true
		a := NewAgent(AgentConfig{SessionID: "s-1", Input: func(_ PayloadType, p []byte) error {
			if !ready {
				return ErrNotReady
			}
			got.Write(p)
			ready = len(got.String()) > 2 // not ready for what follows the first
			return nil
		}})
		client, service := Pipe()
		attached := make(chan error)
		go func() { attached <- a.Attach(t.Context(), service, nil) }()
		client.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t"}`)})
		for _, sequence := range []int64{2, 1, 0} {
			client.WriteFrame(Frame{Data: AppendMessage(nil, &Message{Type: TypeInput, CreatedDate: 1,
				Sequence: sequence, PayloadType: PayloadOutput, Payload: []byte{"abc"[sequence]}})})
		}
		synctest.Wait()
		if got.String() != "a" {
			t.Fatalf("got %q", got.String())
		}
		ready = true
		client.WriteFrame(Frame{Data: AppendMessage(nil, &Message{Type: TypeInput, CreatedDate: 1,
			Sequence: 1, PayloadType: PayloadOutput, Payload: []byte("b")})})
		synctest.Wait()
		ready = true
		client.WriteFrame(Frame{Data: AppendMessage(nil, &Message{Type: TypeInput, CreatedDate: 1,
			Sequence: 2, PayloadType: PayloadOutput, Payload: []byte("c")})})
		synctest.Wait()
		if got.String() != "abc" {
			t.Errorf("got %q", got.String())
		}
		client.Close()
		<-attached
		a.Terminate("")
	})
}

func TestP8RetransmissionBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "$ ")
		w.wantAcks(0)
		w.s.Write([]byte("x"))
		start := time.Now()
		var at []time.Duration
		for time.Since(start) < 3500*time.Millisecond {
			_, data := w.acks()
			for range data {
				at = append(at, time.Since(start))
			}
			time.Sleep(10 * time.Millisecond)
		}
		// 0, then waits of 200 ms, 400 ms, 800 ms, 1 s, 1 s: where the peer
		// sends 29 times in 3 s.
		want := []time.Duration{0, 200, 600, 1400, 2400, 3400}
		if len(at) != len(want) {
			t.Fatalf("sent at %v", at)
		}
		for i := range want {
			if at[i] != want[i]*time.Millisecond {
				t.Errorf("sent at %v, want %v", at, want)
			}
		}
		if got := w.s.Stats().Retransmissions; got != 5 {
			t.Errorf("%d retransmissions counted", got)
		}
	})
}

func TestP9P10MessagesOutOfTurnEndTheSessionWithAnError(t *testing.T) {
	type message struct {
		kind    PayloadType
		payload string
	}
	request := message{PayloadHandshakeRequest, requestSeparate}
	complete := message{PayloadHandshakeComplete, completed}
	output := message{PayloadOutput, "x"}
	for name, script := range map[string][]message{
		"challenge first":                 {{PayloadEncChallengeRequest, `{"Challenge":"AAAA"}`}},
		"challenge before keys":           {request, {PayloadEncChallengeRequest, `{"Challenge":"AAAA"}`}},
		"second completion":               {request, complete, complete},
		"completion first":                {complete},
		"second request":                  {request, request},
		"request after completion":        {request, complete, request},
		"request after output":            {output, request},
		"completion after output":         {output, complete},
		"output during the handshake":     {request, output},
		"exit code during the handshake":  {request, {PayloadExitCode, "EXIT_CODE: 0"}},
		"request is no JSON":              {{PayloadHandshakeRequest, "{"}},
		"completion is no JSON":           {request, {PayloadHandshakeComplete, "[]"}},
		"handshake response to a client":  {{PayloadHandshakeResponse, "{}"}},
		"unknown payload type":            {output, {99, "x"}},
		"exit code is no number":          {{PayloadExitCode, "EXIT_CODE: zero"}},
		"exit code with something behind": {{PayloadExitCode, "EXIT_CODE: 0\n"}},
		"exit code without a name":        {{PayloadExitCode, "0"}},
		"two exit codes":                  {{PayloadExitCode, "EXIT_CODE: 0"}, {PayloadExitCode, "EXIT_CODE: 1"}},
		"flag of five bytes":              {{PayloadFlag, "12345"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := byHand(t)
			for i, m := range script {
				w.send(int64(i), m.kind, m.payload)
			}
			err := w.s.Wait(within(t, time.Minute))
			missing := wantMissing(t, err)
			var protocol *ProtocolError
			if !errors.As(missing, &protocol) {
				t.Errorf("%s: ended with %v", name, missing)
			}
		})
	}
}

func TestP11AGapAtTheEndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "a")
		w.send(3, PayloadOutput, "d")
		w.send(5, PayloadExitCode, "EXIT_CODE: 0")
		w.close("done")
		missing := wantMissing(t, w.s.Wait(within(t, time.Minute)))
		if !missing.Gap || missing.MissingFrom != 1 || missing.MissingTo != 2 || missing.Output != "done" {
			t.Errorf("got %+v", missing)
		}
		if want := "messages 1 to 2 are missing"; !strings.Contains(missing.Error(), want) {
			t.Errorf("%q does not say %q", missing.Error(), want)
		}
		if w.out.String() != "a" {
			t.Errorf("got %q", w.out.String())
		}
	})
}

func TestP11MessagesThatChannelClosedOvertookAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "a")
		w.send(2, PayloadExitCode, "EXIT_CODE: 0")
		w.close("")
		time.Sleep(gapTimeout / 2)
		w.send(1, PayloadOutput, "b")
		wantExit(t, w.s.Wait(within(t, time.Second)), 0)
		if w.out.String() != "ab" {
			t.Errorf("got %q", w.out.String())
		}
	})
}
