package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"
	"testing/synctest"
)

// recordedPayloads adds the recorded payloads of a kind to a fuzz target.
func recordedPayloads(f *testing.F, want func(*Message) bool) {
	f.Helper()
	f.Add([]byte(nil))
	f.Add([]byte(`{}`))
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name) {
			if line.Kind != "binary" {
				continue
			}
			if m, err := ParseMessage(line.bytes(f)); err == nil && want(&m) {
				f.Add(m.Payload)
			}
		}
	}
}

// encodesAgain fails when what was decoded cannot be encoded and decoded to
// the same value.
func encodesAgain[T any](t *testing.T, first T, parse func([]byte) (T, error)) {
	t.Helper()
	text, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("encode %+v: %v", first, err)
	}
	second, err := parse(text)
	if err != nil {
		t.Fatalf("decode %s again: %v", text, err)
	}
	again, err := json.Marshal(second)
	if err != nil || !bytes.Equal(again, text) {
		t.Fatalf("%s became %s, %v", text, again, err)
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name)[:6] {
			if line.Kind == "binary" {
				f.Add(line.bytes(f))
			}
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := ParseMessage(frame)
		if err != nil {
			return
		}
		again, err := ParseMessage(AppendMessage(nil, &m))
		if err != nil {
			t.Fatalf("%+v cannot be read again: %v", m, err)
		}
		if again.Sequence != m.Sequence || again.Type != m.Type || again.ID != m.ID || !bytes.Equal(again.Payload, m.Payload) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

func FuzzParseAcknowledge(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.Type == TypeAcknowledge })
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := ParseAcknowledge(payload)
		if err != nil {
			return
		}
		if fast, ok := scanAcknowledge(payload); ok {
			var slow struct {
				AcknowledgedMessageSequenceNumber int64
			}
			if err := json.Unmarshal(payload, &slow); err != nil || slow.AcknowledgedMessageSequenceNumber != fast.Sequence {
				t.Fatalf("%s: fast path says %d, slow %d, %v", payload, fast.Sequence, slow.AcknowledgedMessageSequenceNumber, err)
			}
			if !bytes.EqualFold(a.AppendJSON(nil), payload) {
				t.Fatalf("%s became %s", payload, a.AppendJSON(nil))
			}
		}
	})
}

func FuzzParseHandshakeRequest(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadHandshakeRequest })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if v, err := ParseHandshakeRequest(payload); err == nil {
			encodesAgain(t, v, ParseHandshakeRequest)
		}
	})
}

func FuzzParseHandshakeResponse(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadHandshakeResponse })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if v, err := ParseHandshakeResponse(payload); err == nil {
			encodesAgain(t, v, ParseHandshakeResponse)
		}
	})
}

func FuzzParseHandshakeComplete(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadHandshakeComplete })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if v, err := ParseHandshakeComplete(payload); err == nil {
			encodesAgain(t, v, ParseHandshakeComplete)
		}
	})
}

func FuzzParseChannelClosed(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.Type == TypeChannelClosed })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if v, err := ParseChannelClosed(payload); err == nil {
			encodesAgain(t, v, ParseChannelClosed)
		}
	})
}

func FuzzParseOpenDataChannel(f *testing.F) {
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name) {
			if line.Kind == "text" {
				f.Add([]byte(line.Text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := ParseOpenDataChannel(text); err == nil {
			encodesAgain(t, v, ParseOpenDataChannel)
		}
	})
}

func FuzzParseExitCode(f *testing.F) {
	for _, text := range []string{"EXIT_CODE: 0", "EXIT_CODE: -1", "EXIT_CODE: 137", "EXIT_CODE: +1", "EXIT_CODE: 01", "EXIT_CODE: ", "EXIT_CODE: 99999999999999999999"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if code, err := ParseExitCode(payload); err == nil && string(AppendExitCode(nil, code)) != string(payload) {
			t.Fatalf("%q was read as %d", payload, code)
		}
	})
}

func FuzzParseFlag(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadFlag })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if flag, err := ParseFlag(payload); err == nil && !bytes.Equal(AppendFlag(nil, flag), payload) {
			t.Fatalf("%x was read as %d", payload, flag)
		}
	})
}

// FuzzPortProperties also goes through the handshake that carries them.
func FuzzPortProperties(f *testing.F) {
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name) {
			if line.PayloadType != PayloadHandshakeRequest {
				continue
			}
			var kind SessionTypeParameters
			m, _ := ParseMessage(line.bytes(f))
			request, err := ParseHandshakeRequest(m.Payload)
			if err == nil && json.Unmarshal(request.RequestedClientActions[0].ActionParameters, &kind) == nil {
				f.Add([]byte(kind.Properties))
			}
		}
	}
	f.Fuzz(func(t *testing.T, properties []byte) {
		p, err := ParsePortProperties(properties)
		if err != nil {
			return
		}
		encodesAgain(t, p, ParsePortProperties)
		s := &Session{}
		s.port = &PortStream{session: s}
		action, err := json.Marshal(SessionTypeParameters{Port, properties})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.act(RequestedAction{ActionSessionType, action}); got.ActionStatus != ActionSuccess || s.port.properties != p {
			t.Fatalf("%s: %+v, %+v", properties, got, s.port.properties)
		}
	})
}

// FuzzSession plays frames to a session, cut from one input: each has its
// length in front, and its digest is made right as often as not, so that what
// is behind the decoder is reached. Run it with -fuzzminimizetime 1x: which
// goroutine runs first makes coverage vary, and minimizing never ends.
func FuzzSession(f *testing.F) {
	for _, name := range []string{"b3-nonint-separate-exit3", "b5-nonint-notfound-separate", "c-interactive", "g-kms-nonint-separate", "g0-kms-client-action-failed", "j-fault-reord", "d-portforward-http", "e2-ssh-server-closes"} {
		var script []byte
		for _, line := range readVector(f, name) {
			if line.Kind == "binary" && line.Dir != "client->agent" {
				wire := line.bytes(f)
				script = append(script, byte(len(wire)>>8), byte(len(wire)))
				script = append(script, wire...)
			}
		}
		f.Add(script)
	}
	key, _ := recordedKey(f, "g-kms-nonint-separate")
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			client, service := Pipe()
			s, err := Connect(t.Context(), Config{SessionID: "s-1", Token: "token", TargetID: "i-1", TakePort: true,
				DataKey: func(context.Context, string, map[string]string) ([]byte, []byte, error) {
					return bytes.Clone(key), []byte("sealed"), nil
				},
				Dial: func(context.Context) (Transport, error) { return client, nil }})
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte("input"))
			go io.Copy(io.Discard, s.port) // ends with the session
			for len(script) > 2 {
				n := min(int(script[0])<<8|int(script[1]), len(script)-2)
				frame := script[2 : 2+n]
				script = script[2+n:]
				if m, err := parseMessage(frame); err == ErrDigest {
					frame = AppendMessage(nil, &m)
				}
				service.WriteFrame(Frame{Data: frame})
			}
			service.Close()
			<-s.Done()
			s.Close()
		})
	})
}
