package channel

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An agent that begins its handshake late has thrown away what it acknowledged
// before, be it more than a window and over two connections. All of it is sent
// again, or the session ends: never does a part of it go on without the rest.
func TestInputBeforeALateHandshakeIsSentAgainOrRefused(t *testing.T) {
	for _, messages := range []int{10, clientWindow + 1, 2*clientWindow - 1, 2*clientWindow + 2} {
		synctest.Test(t, func(t *testing.T) {
			w := byHand(t, func(c *Config) {
				c.Resume = func(context.Context) (string, error) { return "token-1", nil }
			})
			want := strings.Repeat("0123456789abcdef", messages*inputPayload/16)
			go w.s.Write([]byte(want))
			w.sendMessage(&Message{Type: TypeStartPublication})
			next := w.takeInput(messages)
			w.service.Close()
			w.next()
			w.sendMessage(&Message{Type: TypeStartPublication})
			time.Sleep(5 * time.Second) // the new connection is quiet too
			w.send(0, PayloadHandshakeRequest, requestSeparate)
			if messages > 2*clientWindow {
				w.wantProtocolError()
				return
			}
			w.send(1, PayloadHandshakeComplete, completed)
			var got strings.Builder
			for got.Len() < len(want) {
				_, data := w.acks()
				if len(data) == 0 {
					t.Fatalf("%d messages: %d of %d bytes were sent again", messages, got.Len(), len(want))
				}
				for _, m := range data {
					if m.Sequence == next {
						if next++; m.PayloadType == PayloadOutput {
							got.Write(m.Payload)
						}
					}
					w.ack(m.Sequence)
				}
			}
			if got.String() != want {
				t.Errorf("%d messages: other bytes were sent again", messages)
			}
		})
	}
}

// takeInput waits until the client takes the agent for quiet, acknowledges its n
// messages of input, and returns the number of the next.
func (w *wire) takeInput(n int) (sequence int64) {
	w.t.Helper()
	time.Sleep(5 * time.Second)
	for sequence < int64(n) {
		_, data := w.acks()
		if len(data) == 0 {
			w.t.Fatalf("the client sent no input behind %d of %d messages", sequence, n)
		}
		for _, m := range data {
			w.ack(m.Sequence)
			sequence = max(sequence, m.Sequence+1)
		}
	}
	return sequence
}
