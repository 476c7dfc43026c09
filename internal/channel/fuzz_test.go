package channel

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
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

// hostileJSON adds what makes a JSON decoder take much memory for little.
func hostileJSON(f *testing.F) {
	f.Helper()
	const n = 8 << 10
	for _, text := range []string{
		strings.Repeat("[", n),
		strings.Repeat(`{"a":`, n),
		`{"RequestedClientActions":[{}` + strings.Repeat(",{}", n) + `]}`,
		`{"ProcessedClientActions":[{}` + strings.Repeat(",{}", n) + `],"Errors":[""` + strings.Repeat(`,""`, n) + `]}`,
		`{"AgentVersion":"` + strings.Repeat("\xff", n) + `"}`,
		`{"SessionType":"` + strings.Repeat(`\ud800`, n) + `"}`,
		`{"` + strings.Repeat(`\u00e9`, n) + `":1}`,
		`{"\u00e9` + strings.Repeat("d", n) + `":1}`,
		`{` + strings.Repeat(`"\u00e9`+strings.Repeat("D", 50)+`":1,`, n/50) + `"a":1}`,
		`{"a` + strings.Repeat(`" : "`, n/5),
		`{` + strings.Repeat(`"TokenValue":"t","Output":"o","cols":1,`, n/8) + `"rows":1}`,
		`{"cols":` + strings.Repeat("1", n) + `,"HandshakeTimeToComplete":1e` + strings.Repeat("9", n) + `}`,
	} {
		f.Add([]byte(text))
	}
}

// fuzzPayload fuzzes the decoder of a payload that is JSON: it stays within its
// bounds, every refusal is a *ProtocolError, and what it accepts can be encoded
// and decoded to the same value. what adds to that.
func fuzzPayload[T any](f *testing.F, parse func([]byte) (T, error), what func(t *testing.T, payload []byte, v T)) {
	hostileJSON(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var v T
		var err error
		bounds.Check(t, bounds.Wire(len(payload)), func() { v, err = parse(payload) })
		if err != nil {
			wantRefusal(t, err)
			return
		}
		encodesAgain(t, v, parse)
		if what != nil {
			what(t, payload, v)
		}
	})
}

func wantRefusal(t testing.TB, err error) {
	t.Helper()
	if !errors.As(err, new(*ProtocolError)) {
		t.Fatalf("got %v, want a *ProtocolError", err)
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
	f.Add(AppendMessage(nil, &Message{Type: TypeStartPublication}))
	f.Add(AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, Payload: make([]byte, maxPayload+1)}))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var m Message
		var err error
		bounds.Check(t, bounds.Wire(0), func() { m, err = ParseMessage(frame) }) // it copies nothing
		if errors.Is(err, ErrDigest) {
			frame = AppendMessage(nil, &m) // a mutated payload has a wrong one nearly always
			m, err = ParseMessage(frame)
		}
		if err != nil {
			wantRefusal(t, err)
			return
		}
		unchecked := m.Type == TypeStartPublication || m.Type == TypePausePublication
		if !unchecked && (m.CreatedDate == 0 || m.Sequence < 0) || len(m.Payload) > maxPayload || strings.TrimSpace(m.Type) == "" {
			t.Fatalf("accepted %+v", m)
		}
		want := bytes.Clone(frame)
		copy(want[typeOffset:schemaOffset], m.Type+strings.Repeat(" ", schemaOffset-typeOffset)) // NULs pad as well
		again := AppendMessage(nil, &m)
		if unchecked {
			copy(want[digestOffset:payloadTypeOffset], again[digestOffset:]) // nobody looks
		}
		if !bytes.Equal(again, want) {
			t.Fatalf("%x became %x", frame, again)
		}
	})
}

func FuzzParseAcknowledge(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.Type == TypeAcknowledge })
	hostileJSON(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var a Acknowledge
		var err error
		bounds.Check(t, bounds.Wire(len(payload)), func() { a, err = ParseAcknowledge(payload) })
		if err != nil {
			wantRefusal(t, err)
			return
		}
		if a.Sequence < 0 {
			t.Fatalf("accepted %+v", a)
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
	fuzzPayload(f, ParseHandshakeRequest, func(t *testing.T, payload []byte, v HandshakeRequest) {
		if n := len(v.RequestedClientActions); n > maxActions {
			t.Fatalf("accepted %d actions", n)
		}
	})
}

func FuzzParseHandshakeResponse(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadHandshakeResponse })
	fuzzPayload(f, ParseHandshakeResponse, func(t *testing.T, payload []byte, v HandshakeResponse) {
		if n := len(v.ProcessedClientActions); n > maxActions {
			t.Fatalf("accepted %d actions", n)
		}
	})
}

func FuzzParseHandshakeComplete(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadHandshakeComplete })
	fuzzPayload(f, ParseHandshakeComplete, nil)
}

func FuzzParseChannelClosed(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.Type == TypeChannelClosed })
	fuzzPayload(f, ParseChannelClosed, nil)
}

func FuzzParseAgentSessionState(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.Type == TypeAgentState })
	fuzzPayload(f, ParseAgentSessionState, nil)
}

func FuzzParseOpenDataChannel(f *testing.F) {
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name) {
			if line.Kind == "text" {
				f.Add([]byte(line.Text))
			}
		}
	}
	fuzzPayload(f, ParseOpenDataChannel, func(t *testing.T, _ []byte, v OpenDataChannel) {
		if v.TokenValue == "" {
			t.Fatal("accepted without a token")
		}
	})
}

func FuzzParseSize(f *testing.F) {
	f.Add([]byte(`{"cols":300,"rows":100}`))
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadSize })
	fuzzPayload(f, ParseSize, nil)
}

func FuzzParseExitCode(f *testing.F) {
	for _, text := range []string{"EXIT_CODE: 0", "EXIT_CODE: -1", "EXIT_CODE: 137", "EXIT_CODE: +1", "EXIT_CODE: 01", "EXIT_CODE: ",
		"EXIT_CODE: 99999999999999999999", "EXIT_CODE: -2147483648", "EXIT_CODE: " + strings.Repeat("\xff", 8<<10), strings.Repeat("6", 8<<10)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var code int
		var err error
		bounds.Check(t, bounds.Wire(0), func() { code, err = ParseExitCode(payload) })
		if err != nil {
			wantRefusal(t, err)
		} else if string(AppendExitCode(nil, code)) != string(payload) {
			t.Fatalf("%q was read as %d", payload, code)
		}
	})
}

func FuzzParseFlag(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool { return m.PayloadType == PayloadFlag })
	f.Fuzz(func(t *testing.T, payload []byte) {
		var flag Flag
		var err error
		bounds.Check(t, bounds.Wire(0), func() { flag, err = ParseFlag(payload) })
		if err != nil {
			wantRefusal(t, err)
		} else if !bytes.Equal(AppendFlag(nil, flag), payload) {
			t.Fatalf("%x was read as %d", payload, flag)
		}
	})
}

// FuzzSessionType decodes the parameters of the action of that name, as a
// session does that takes ports.
func FuzzSessionType(f *testing.F) {
	for _, name := range vectorNames(f) {
		for _, line := range readVector(f, name) {
			if line.PayloadType != PayloadHandshakeRequest {
				continue
			}
			m, _ := ParseMessage(line.bytes(f))
			if request, err := ParseHandshakeRequest(m.Payload); err == nil {
				f.Add([]byte(request.RequestedClientActions[0].ActionParameters))
			}
		}
	}
	hostileJSON(f)
	f.Fuzz(func(t *testing.T, parameters []byte) {
		var s *Session
		var got ProcessedAction
		bounds.Check(t, bounds.Wire(2*len(parameters)), func() { // it decodes the type, and then its properties
			s = &Session{}
			s.port = &PortStream{session: s}
			got = s.act(RequestedAction{ActionSessionType, parameters})
		})
		switch {
		case got.ActionStatus == ActionFailed && s.refused != nil && got.Error != "":
		case got.ActionStatus != ActionSuccess || s.refused != nil:
			t.Fatalf("%s: %+v, %v", parameters, got, s.refused)
		case s.kind.SessionType == Port:
			encodesAgain(t, s.port.properties, ParsePortProperties)
		}
	})
}

// FuzzPortProperties also goes through the action that carries them.
func FuzzPortProperties(f *testing.F) {
	f.Add([]byte(`{"localPortNumber":"18095","portNumber":"18091","type":"LocalPortForwarding"}`))
	f.Add([]byte(`{"portNumber":"22"}`))
	f.Add([]byte(`null`))
	fuzzPayload(f, ParsePortProperties, func(t *testing.T, properties []byte, p PortProperties) {
		s := &Session{}
		s.port = &PortStream{session: s}
		action, err := json.Marshal(SessionTypeParameters{Port, properties})
		if err != nil {
			t.Fatal(err)
		}
		got := s.act(RequestedAction{ActionSessionType, action})
		if deep, name := extent(action); deep <= maxDepth && name <= maxName && (got.ActionStatus != ActionSuccess || s.port.properties != p) {
			t.Fatalf("%s: %+v, %+v", properties, got, s.port.properties)
		}
	})
}

// FuzzVersions compares both ways of comparing with each other where they must
// agree: on versions of four numbers.
func FuzzVersions(f *testing.F) {
	for _, version := range []string{"", "3.3.0.0", "3.0.196.0", "3.1.1511.0", "1.2.331.0", "1.1.70", "1.2.677.0", "...", strings.Repeat(".", 8<<10), "4294967296.0.0.0", "1.-2.+3.04"} {
		f.Add(version)
	}
	f.Fuzz(func(t *testing.T, version string) {
		var above bool
		var order int
		bounds.Check(t, bounds.Wire(len(version)), func() { // an error repeats the number
			above = newer(version, agentMultiplexes)
			order = compareClient(version, agentMultiplexes)
		})
		if above && order <= 0 {
			t.Fatalf("%q is newer, and compares as %d", version, order)
		}
		if v := version + ".0.0.0.0"; newer(v, agentMultiplexes) {
			t.Fatalf("%q has too many numbers", v)
		}
	})
}
