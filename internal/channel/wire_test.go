package channel

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// wire is the other end of a Session's connection, spoken to by hand.
type wire struct {
	t       testing.TB
	s       *Session
	out     recorder
	errs    recorder
	service Transport
	opened  OpenDataChannel

	dials chan Transport // the service's end of every further connection
}

// byHand connects a session to a wire. It must run in a synctest bubble.
func byHand(t testing.TB, change ...func(*Config)) *wire {
	t.Helper()
	w := &wire{t: t, dials: make(chan Transport, 100)}
	cfg := Config{
		SessionID: "s-1", Token: "token", Stdout: &w.out, Stderr: &w.errs,
		Dial: func(context.Context) (Transport, error) {
			client, service := Pipe()
			w.dials <- service
			return client, nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := Connect(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	w.next()
	t.Cleanup(func() { w.service.Close(); s.Close() })
	return w
}

// next goes on with the next connection.
func (w *wire) next() {
	w.t.Helper()
	w.service = <-w.dials
	frame, err := w.service.ReadFrame()
	if err != nil || !frame.Text {
		w.t.Fatalf("first frame: %+v, %v", frame, err)
	}
	if w.opened, err = ParseOpenDataChannel(frame.Data); err != nil {
		w.t.Fatal(err)
	}
}

// send sends agent stream data.
func (w *wire) send(sequence int64, kind PayloadType, payload string) {
	w.sendMessage(&Message{Type: TypeOutput, Sequence: sequence, PayloadType: kind, Payload: []byte(payload)})
}

func (w *wire) sendMessage(m *Message) {
	m.SchemaVersion, m.ID = 1, newUUID()
	if m.CreatedDate == 0 {
		m.CreatedDate = 1
	}
	w.sendRaw(AppendMessage(nil, m))
}

func (w *wire) sendRaw(frame []byte) {
	w.service.WriteFrame(Frame{Data: frame})
	synctest.Wait()
}

func (w *wire) ack(sequence int64) {
	a := Acknowledge{Type: TypeInput, Sequence: sequence, Sequential: true}
	w.sendMessage(&Message{Type: TypeAcknowledge, Payload: a.AppendJSON(nil)})
}

func (w *wire) close(output string) { w.sendRaw(channelClosed("s-1", output)) }

// read returns the next message of the client's that is not older than what
// was read before; ok is false when there is none now.
func (w *wire) read() (m Message, ok bool) {
	w.t.Helper()
	synctest.Wait()
	lane := w.service.(*pipeEnd).in
	lane.mu.Lock()
	waiting := len(lane.queue)
	lane.mu.Unlock()
	if waiting == 0 {
		return Message{}, false
	}
	frame, err := w.service.ReadFrame()
	if err != nil {
		w.t.Fatal(err)
	}
	if m, err = ParseMessage(append([]byte(nil), frame.Data...)); err != nil {
		w.t.Fatal(err)
	}
	return m, true
}

// acks reads everything that the client sent and returns the numbers that it
// acknowledged, and the stream data.
func (w *wire) acks() (acks []int64, data []Message) {
	w.t.Helper()
	for {
		m, ok := w.read()
		if !ok {
			return acks, data
		}
		if m.Type != TypeAcknowledge {
			data = append(data, m)
			continue
		}
		a, err := ParseAcknowledge(m.Payload)
		if err != nil {
			w.t.Fatal(err)
		}
		acks = append(acks, a.Sequence)
	}
}

func (w *wire) wantAcks(want ...int64) []Message {
	w.t.Helper()
	got, data := w.acks()
	if len(got) != len(want) {
		w.t.Fatalf("acknowledged %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			w.t.Fatalf("acknowledged %v, want %v", got, want)
		}
	}
	return data
}

// wantProtocolError waits for the session to end because of us.
func (w *wire) wantProtocolError() {
	w.t.Helper()
	missing := wantMissing(w.t, w.s.Wait(within(w.t, time.Minute)))
	var protocol *ProtocolError
	if !errors.As(missing, &protocol) {
		w.t.Fatalf("ended with %v, want a protocol error", missing)
	}
}

const requestSeparate = `{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"NonInteractiveCommands","Properties":null}}]}`
const completed = `{"HandshakeTimeToComplete":1,"CustomerMessage":""}`
