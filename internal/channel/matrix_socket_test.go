package channel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// TestMatrixCloseCodes: over real websockets, the service hangs up with each
// code while output streams, and the session goes on as if nothing had been; but
// not after channel_closed.
func TestMatrixCloseCodes(t *testing.T) {
	for _, code := range []int{1000, 1001, 1006, 1009, 1011} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			closeWith(t, code)
		})
	}
}

func closeWith(t *testing.T, code int) {
	g := newRefGateway(t, refConfig{kind: "NonInteractiveCommands", handshake: true}, refFaults{})
	g.begin()
	connections := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		connections++ // the client has one at a time
		bridge(t, g, conn, connections == 1, code)
	}))
	var stdout recorder
	cfg := g.config()
	cfg.Stdout = &stdout
	cfg.Dial = func(ctx context.Context) (Transport, error) {
		return DialWebsocket(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), WebsocketOptions{})
	}
	s, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("0123456789abcdef", 6<<6)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.do(func() {
		g.agent.output(1, []byte(want))
		g.agent.exit(3)
		g.agent.finish()
	})
	wantExit(t, s.Wait(within(t, time.Minute)), 3)
	if stdout.String() != want || s.Stats().Reconnects != 1 {
		t.Errorf("%d: %d of %d bytes, %d reconnections", code, len(stdout.String()), len(want), s.Stats().Reconnects)
	}
	s.Close()
	server.Close()
	g.stop()
}

// bridge joins a websocket to the gateway. With hangUp it ends after some
// messages, with a close code; 1006 is an end without any.
func bridge(t *testing.T, g *refGateway, conn *websocket.Conn, hangUp bool, code int) {
	inner, _ := g.dial(t.Context())
	defer inner.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer inner.Close()
		for {
			kind, data, err := conn.ReadMessage()
			if err != nil || inner.WriteFrame(Frame{Text: kind == websocket.TextMessage, Data: data}) != nil {
				return
			}
		}
	}()
	for n := 1; ; n++ {
		frame, err := inner.ReadFrame()
		if err != nil || conn.WriteMessage(websocket.BinaryMessage, frame.Data) != nil {
			break
		}
		if hangUp && n == 7 {
			if code != 1006 {
				conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "Bye"), time.Now().Add(time.Second))
			}
			break
		}
	}
	conn.Close()
	<-done
}

// TestMatrixFloods: what a hostile service sends below the messages is bounded.
func TestMatrixFloods(t *testing.T) {
	short := WebsocketOptions{PingInterval: 4 * time.Second, PongTimeout: 2 * time.Second, WriteTimeout: time.Second}
	for name, c := range map[string]struct {
		attack func(*websocket.Conn)
		is     func(error) bool
	}{
		"pings": {func(server *websocket.Conn) {
			for server.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Hour)) == nil {
			}
		}, func(err error) bool { return errors.As(err, new(*ProtocolError)) }},
		"fragments without end": {func(server *websocket.Conn) {
			raw := server.NetConn()
			raw.Write([]byte{0x02, 0}) // the first of a binary message, empty
			for {
				if _, err := raw.Write([]byte{0x00, 0}); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}, isLayer(LayerFrame)},
		"a message byte by byte, and pings": {func(server *websocket.Conn) {
			raw := server.NetConn()
			raw.Write([]byte{0x82, 120})
			for {
				if _, err := raw.Write([]byte{'x'}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, isLayer(LayerFrame)},
		"a frame of 1 GiB": {func(server *websocket.Conn) {
			server.NetConn().Write([]byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0})
		}, func(err error) bool { return errors.As(err, new(*ProtocolError)) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := socketPair(t, short)
				go func() { // takes pings and pongs
					for {
						if _, _, err := server.NextReader(); err != nil {
							return
						}
					}
				}()
				attacked := make(chan struct{})
				go func() { defer close(attacked); c.attack(server) }()
				start := time.Now()
				_, err := client.ReadFrame()
				if took := time.Since(start); !c.is(err) || took > 10*time.Second {
					t.Errorf("got %v after %v", err, took)
				}
				client.Close()
				server.Close()
				<-attacked
			})
		})
	}
}

func isLayer(layer Layer) func(error) bool {
	return func(err error) bool {
		var timeout *TimeoutError
		return errors.As(err, &timeout) && timeout.Layer == layer
	}
}

// TestMatrixEveryBit flips every bit of a recorded session, one at a time. In a
// payload that is always noticed: the message is not taken. In a header it never
// makes another exit code.
func TestMatrixEveryBit(t *testing.T) {
	var frames [][]byte
	sequence := int64(0)
	add := func(payloadType uint32, payload string) {
		m := refMessage{kind: "output_stream_data", created: 1, id: [16]byte{1, 2, 3}, sequence: sequence, payloadType: payloadType, payload: []byte(payload)}
		frames = append(frames, m.encode())
		sequence++
	}
	add(5, requestSeparate)
	add(7, completed)
	for range 3 {
		add(1, "some output\n")
		add(11, "some complaint\n")
	}
	add(12, "EXIT_CODE: 3")
	step := 1
	if *matrixSeeds <= 3 {
		step = 7 // every bit in the campaign
	}
	flips := 0
	synctest.Test(t, func(t *testing.T) { // where a client that blocks is found out
		for i, frame := range frames {
			for bit := 0; bit < 8*len(frame); bit += step {
				flips++
				exit := replayFlipped(t, frames, i, bit)
				if exit != nil && *exit != 3 || bit >= 8*refHeader && exit != nil {
					t.Fatalf("message %d, bit %d: exit code %d", i, bit, *exit)
				}
			}
		}
	})
	t.Logf("%d flips", flips)
}

// replayFlipped plays the frames to a session, one of them with a flipped bit,
// closes it, and returns the exit code that it came to, if it did.
func replayFlipped(t *testing.T, frames [][]byte, which, bit int) *int {
	client, service := Pipe()
	s, err := Connect(t.Context(), Config{SessionID: "s-1", Token: "token",
		Dial: func(context.Context) (Transport, error) { return client, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range frames {
		if i == which {
			frame = append([]byte(nil), frame...)
			frame[bit/8] ^= 0x80 >> (bit % 8)
		}
		service.WriteFrame(Frame{Data: frame})
	}
	closed := refMessage{kind: "channel_closed", created: 1, id: [16]byte{1}, payload: []byte(`{"SessionId":"s-1"}`)}
	service.WriteFrame(Frame{Data: closed.encode()})
	err = s.Wait(within(t, time.Minute))
	if !isClosed(s.Done()) {
		panic(fmt.Sprintf("message %d, bit %d: the session did not end", which, bit)) // nor would it close
	}
	service.Close()
	var exit *ExitError
	switch {
	case err == nil:
		return new(int)
	case errors.As(err, &exit):
		return &exit.Code
	}
	wantMissing(t, err)
	return nil
}

// TestAnEarlyMessageThatWasRefusedIsDeliveredLater: it was acknowledged, so it
// does not come again, and nothing else may come either.
func TestAnEarlyMessageThatWasRefusedIsDeliveredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		ready := make(chan struct{})
		a := NewAgent(AgentConfig{SessionID: "s-1", Input: func(_ PayloadType, p []byte) error {
			if got.String() != "" {
				select {
				case <-ready:
				default:
					return ErrNotReady
				}
			}
			got.Write(p)
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
		time.Sleep(time.Minute)
		if got.String() != "a" {
			t.Fatalf("got %q", got.String())
		}
		close(ready)
		time.Sleep(resendTick)
		synctest.Wait()
		if got.String() != "abc" {
			t.Errorf("got %q", got.String())
		}
		client.Close()
		<-attached
		a.Terminate("")
	})
}
