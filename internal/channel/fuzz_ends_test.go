package channel

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// Both ends as a whole are played to from a script: each byte is a message of
// some kind, out of turn or not, and what it needs follows. Run them with
// -fuzzminimizetime 1x: which goroutine runs first makes coverage vary, and
// minimizing never ends.

// endCost is what a whole end may allocate: for itself with its bubble, pipes
// and buffers, for each byte of the script, and for each of its steps: a message
// is copied into a pipe, delivered, acknowledged and read by the other side, and
// a new connection, the dearest step of one byte, takes 5 KiB with its pipe and
// goroutines.
func endCost(script []byte) int { return 192<<10 + 4*len(script) + 8<<10*len(script) }

// script is what is left of one.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// bytes takes a length and so many bytes.
func (s *script) bytes(long bool) []byte {
	n := int(s.byte())
	if long {
		n = n<<8 | int(s.byte())
	}
	n = min(n, len(*s))
	b := (*s)[:n:n]
	*s = (*s)[n:]
	return b
}

// offsets are how far a message's number is from the next one; 0 is the most
// frequent and moves on.
var offsets = [16]int64{12: 1, 13: 2, 14: -1, 15: maxAhead + 1}

// speaker makes the messages of one side.
type speaker struct {
	kind   string
	next   int64
	sealer *sealer
}

func (p *speaker) data(mode byte, payloadType PayloadType, payload []byte) []byte {
	sequence := max(p.next+offsets[mode&15], 0)
	if offsets[mode&15] == 0 {
		p.next++
	}
	return AppendMessage(nil, &Message{Type: p.kind, CreatedDate: 1, Sequence: sequence, PayloadType: payloadType, Payload: payload})
}

func plainMessage(kind string, payload []byte) []byte {
	return AppendMessage(nil, &Message{Type: kind, CreatedDate: 1, Payload: payload})
}

// rawFrame makes the digest right where all else is, so that what is behind
// the decoder is reached.
func rawFrame(frame []byte) []byte {
	if m, err := parseMessage(frame); err == ErrDigest {
		return AppendMessage(nil, &m)
	}
	return frame
}

var fuzzKey = bytes.Repeat([]byte("k3y?"), dataKeySize/4)

const (
	requestEncrypted = `{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/ssm","Challenge":"AAAA"}},{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}}]}`
	requestPort      = `{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"22"}}}]}`
)

// agentSays makes the frame for one step of the script. It returns nil when
// the connection is to be cut.
func (p *speaker) agentSays(s *script) []byte {
	op := s.byte()
	mode := op >> 4
	switch op & 15 {
	case 0:
		return p.data(mode, PayloadOutput, append([]byte("CLEAR"), s.bytes(false)...))
	case 1:
		return p.data(mode, PayloadHandshakeRequest, []byte(requestSeparate))
	case 2:
		return p.data(mode, PayloadHandshakeRequest, []byte(requestEncrypted))
	case 3:
		return p.data(mode, PayloadHandshakeRequest, []byte(requestPort))
	case 4:
		return p.data(mode, PayloadHandshakeComplete, []byte(completed))
	case 5:
		return p.data(mode, PayloadEncChallengeRequest, sealedChallenge(p.sealer.seal([]byte("proof"))))
	case 6:
		return p.data(mode, PayloadExitCode, []byte("EXIT_CODE: 0"))
	case 7:
		return p.data(mode, PayloadExitCode, p.sealer.seal([]byte("EXIT_CODE: 0")))
	case 8:
		return p.data(mode, PayloadFlag, AppendFlag(nil, Flag(s.byte())))
	case 9:
		return p.data(mode, PayloadOutput, p.sealer.seal([]byte("SEALED")))
	case 10:
		a := Acknowledge{Type: TypeInput, Sequence: int64(s.byte()), Sequential: true}
		return plainMessage(TypeAcknowledge, a.AppendJSON(nil))
	case 11:
		return channelClosed("s-1", "over")
	case 12:
		return plainMessage([...]string{TypeStartPublication, TypePausePublication, TypeAgentState, TypeInput, "more"}[s.byte()%5], s.bytes(false))
	case 13:
		return rawFrame(s.bytes(true))
	case 14:
		return p.data(mode, PayloadType(s.byte()), s.bytes(false))
	}
	return nil
}

func sealedChallenge(sealed []byte) []byte {
	text, _ := json.Marshal(EncChallenge{Challenge: base64.StdEncoding.EncodeToString(sealed)})
	return text
}

// heard is what one side sent, over all connections.
type heard struct {
	mu        sync.Mutex // protects what follows
	frames    []Frame
	challenge []byte // the payload of the last encryption challenge
}

// listen collects until the connection ends.
func (h *heard) listen(t Transport) {
	for {
		frame, err := t.ReadFrame()
		if err != nil {
			return
		}
		h.mu.Lock()
		data := bytes.Clone(frame.Data)
		h.frames = append(h.frames, Frame{Text: frame.Text, Data: data})
		if m, err := parseMessage(data); err == nil && m.PayloadType == PayloadEncChallengeRequest {
			h.challenge = m.Payload
		}
		h.mu.Unlock()
	}
}

func FuzzSession(f *testing.F) {
	for _, steps := range []string{
		"\x00\x01\x04\x00\x03abc\x06\x0b", "\x01\x02\x05\x04\x09\x07\x0b", "\x02\x03\x04\x00\x02ab\x08\x03\x0f\x00\x01x\x0b",
		"\x00\x00\x01a\xc0\x01b\xd0\x01c\x00\x01d\x00\x01e\xe0\x01f\x0f\x06\x0b", "\x04\x02\x0c\x01\x0c\x00\x0a\x00\x0e\x63\x01x", "\x01\x02\x05\x04\x00\x01x",
	} {
		f.Add([]byte(steps))
	}
	for _, name := range []string{"b3-nonint-separate-exit3", "c-interactive", "d-portforward-http"} {
		steps := []byte{2}
		for _, line := range readVector(f, name) {
			if line.Kind == "binary" && line.Dir != "client->agent" && len(steps) < 4<<10 {
				wire := line.bytes(f)
				steps = append(append(steps, 13, byte(len(wire)>>8), byte(len(wire))), wire...)
			}
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 8<<10 {
			return
		}
		bounds.Check(t, endCost(steps), func() {
			synctest.Test(t, func(t *testing.T) { playSession(t, steps) })
		})
	})
}

// playSession plays a script to a session and checks what the package
// promises: the session ends with a result that says what came, and where
// encryption is required nothing goes or comes in the clear.
func playSession(t *testing.T, steps script) {
	mode := steps.byte()
	required := mode&1 != 0
	var out recorder
	var sent heard
	var work sync.WaitGroup
	dials := make(chan Transport, 1+len(steps))
	over := false
	cfg := Config{SessionID: "s-1", Token: "token", TargetID: "i-1", Stdout: &out, Stderr: &out,
		RequireEncryption: required, TakePort: mode&2 != 0,
		DataKey: func(context.Context, string, map[string]string) ([]byte, []byte, error) {
			return bytes.Clone(fuzzKey), []byte("sealed"), nil
		},
		Resume: func(context.Context) (string, error) {
			if over {
				return "", nil
			}
			return "token", nil
		},
		Dial: func(context.Context) (Transport, error) {
			client, service := Pipe()
			dials <- service
			work.Go(func() { sent.listen(service) })
			return client, nil
		}}
	if mode&4 != 0 {
		cfg.DataKey, cfg.RequireEncryption, required = nil, false, false
	}
	s, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("input"))
	if s.port != nil {
		work.Go(func() { // ends with the session
			for p := make([]byte, 512); ; {
				n, err := s.port.Read(p)
				if out.Write(p[:n]); err != nil {
					return
				}
			}
		})
	}
	sealer, _, err := newCiphers(fuzzKey, agentRole)
	if err != nil {
		t.Fatal(err)
	}
	agent := speaker{kind: TypeOutput, sealer: sealer}
	service, zero := <-dials, false
	for len(steps) > 0 {
		frame := agent.agentSays(&steps)
		zero = zero || bytes.Contains(frame, []byte("EXIT_CODE: 0")) || agent.sealer.next != nonce{}
		if frame != nil {
			service.WriteFrame(Frame{Data: frame})
		} else {
			service.Close()
			select {
			case service = <-dials:
			case <-s.Done():
			}
		}
		synctest.Wait()
	}
	over = true
	service.Close()
	result := s.Wait(within(t, time.Hour))
	work.Wait()
	if result == nil && !zero {
		t.Error("exit code 0, and nobody sent it")
	}
	if result != nil && !errors.As(result, new(*ExitError)) && !errors.As(result, new(*ExitMissingError)) {
		t.Errorf("ended with %v", result)
	}
	if required && bytes.Contains([]byte(out.String()), []byte("CLEAR")) {
		t.Errorf("took %q in the clear", out.String())
	}
	checkSent(t, &sent, TypeInput, required)
}

// checkSent checks that what an end sent over its connections is well formed
// and numbered without a hole, and that nothing secret is in the clear.
func checkSent(t *testing.T, sent *heard, kind string, secret bool) {
	seen := map[int64]bool{}
	top := int64(-1)
	for _, frame := range sent.frames {
		if frame.Text {
			if _, err := ParseOpenDataChannel(frame.Data); err != nil {
				t.Error(err)
			}
			continue
		}
		m, err := ParseMessage(frame.Data)
		if err != nil {
			t.Fatalf("sent %x: %v", frame.Data, err)
		}
		if m.Type == kind {
			seen[m.Sequence] = true
			top = max(top, m.Sequence)
			if secret && m.PayloadType == PayloadOutput && bytes.Contains(m.Payload, []byte("put")) {
				t.Errorf("sent %q in the clear", m.Payload)
			}
		}
	}
	if int64(len(seen)) != top+1 {
		t.Errorf("sent numbers up to %d, and %d of them", top, len(seen))
	}
}

// clientSays makes the frame for one step of the script.
func (p *speaker) clientSays(s *script, challenge func() []byte) []byte {
	op := s.byte()
	mode := op >> 4
	response := func(actions ...ProcessedAction) []byte {
		text, _ := json.Marshal(HandshakeResponse{ClientVersion: DefaultClientVersion, ProcessedClientActions: actions})
		return p.data(mode, PayloadHandshakeResponse, text)
	}
	kind := ProcessedAction{ActionType: ActionSessionType, ActionStatus: ActionSuccess}
	switch op & 15 {
	case 0:
		return p.data(mode, PayloadOutput, append([]byte("CLEAR"), s.bytes(false)...))
	case 1:
		return response(kind)
	case 2:
		return response(kind, ProcessedAction{ActionType: ActionKMSEncryption, ActionStatus: ActionSuccess,
			ActionResult: json.RawMessage(`{"KMSCipherTextKey":"AAAA","ChallengeAcknowledgement":true}`)})
	case 3:
		return response(ProcessedAction{ActionType: ActionSessionType, ActionStatus: ActionFailed + ActionStatus(s.byte()&1), Error: "no"})
	case 4:
		return p.data(mode, PayloadEncChallengeResponse, sealedChallenge(p.sealer.seal(challenge())))
	case 5:
		return p.data(mode, PayloadSize, []byte(`{"cols":80,"rows":24}`))
	case 6:
		return p.data(mode, PayloadFlag, AppendFlag(nil, Flag(s.byte())))
	case 7:
		a := Acknowledge{Type: TypeOutput, Sequence: int64(s.byte()), Sequential: true}
		return plainMessage(TypeAcknowledge, a.AppendJSON(nil))
	case 8, 9:
		return p.data(mode, PayloadOutput, p.sealer.seal([]byte("SEALED")))
	case 10:
		return plainMessage([...]string{TypeStartPublication, TypePausePublication, TypeChannelClosed, TypeOutput, "more"}[s.byte()%5], s.bytes(false))
	case 11, 12:
		return rawFrame(s.bytes(true))
	case 13:
		return p.data(mode, PayloadType(s.byte()), s.bytes(false))
	}
	return nil
}

func FuzzAgent(f *testing.F) {
	for _, steps := range []string{
		"\x00\x00\x03abc\x05\x07\x00", "\x01\x01\x00\x03abc\x07\x00\x07\x01", "\x02\x02\x04\x08\x08\x07\x00", "\x01\x03\x02",
		"\x02\x02\x04\x08\x0f\xe8\x08\x00\x01x", "\x03\x01\x0e\x0e\x00\x01a\xc0\x01b\x0d\x63\x01x", "\x0c\x00\x01a\x00\x01b\xd0\x01c\x00\x01d",
	} {
		f.Add([]byte(steps))
	}
	for _, name := range []string{"b3-nonint-separate-exit3", "d-portforward-http"} {
		steps := []byte{1}
		for _, line := range readVector(f, name) {
			if line.Kind == "binary" && line.Dir == "client->agent" && len(steps) < 4<<10 {
				wire := line.bytes(f)
				steps = append(append(steps, 11, byte(len(wire)>>8), byte(len(wire))), wire...)
			}
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 8<<10 {
			return
		}
		bounds.Check(t, endCost(steps), func() {
			synctest.Test(t, func(t *testing.T) { playAgent(t, steps) })
		})
	})
}

// taken is the input that an agent was given.
type taken struct {
	mu     sync.Mutex
	types  []PayloadType
	text   []byte
	refuse byte // of so many, one is not taken
	calls  int
}

func (k *taken) input(payloadType PayloadType, data []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.calls++; k.refuse > 0 && k.calls%int(k.refuse+1) == 0 {
		return ErrNotReady
	}
	k.types = append(k.types, payloadType)
	k.text = append(k.text, data...)
	return nil
}

// playAgent plays a script to an agent's end: whatever comes, input is only
// what came after the handshake, and where it encrypts only what is encrypted.
func playAgent(t *testing.T, steps script) {
	mode := steps.byte()
	got := taken{refuse: mode >> 2 & 3}
	cfg := AgentConfig{SessionID: "s-1", SessionType: StandardStream, Handshake: mode&1 != 0, Input: got.input}
	if mode&2 != 0 {
		cfg.Encryption = &AgentEncryption{KeyID: "alias/ssm", TargetID: "i-1",
			Decrypt: func(context.Context, string, []byte, map[string]string) ([]byte, error) {
				return bytes.Clone(fuzzKey), nil
			}}
	}
	a := NewAgent(cfg)
	var sent heard
	var work sync.WaitGroup
	attach := func() Transport {
		client, service := Pipe()
		work.Go(func() { a.Attach(t.Context(), service, nil) })
		work.Go(func() { sent.listen(client) })
		client.WriteFrame(Frame{Text: true, Data: []byte(`{"TokenValue":"t"}`)})
		synctest.Wait()
		return client
	}
	sealer, opener, err := newCiphers(fuzzKey, clientRole)
	if err != nil {
		t.Fatal(err)
	}
	p := speaker{kind: TypeInput, sealer: sealer}
	client := attach()
	a.Stdout([]byte("output")) // held until the handshake is complete
	answered := false
	for len(steps) > 0 {
		answered = answered || steps[0]&15 == 1 || steps[0]&15 == 2 || steps[0]&15 >= 11
		frame := p.clientSays(&steps, func() []byte { return sent.proof(opener) })
		if frame != nil {
			client.WriteFrame(Frame{Data: frame})
		} else {
			client.Close()
			client = attach()
		}
		synctest.Wait()
	}
	a.Terminate("")
	client.Close()
	work.Wait()
	synctest.Wait()
	if a.cfg.Handshake && !answered && len(got.types) > 0 {
		t.Errorf("took %q before the handshake", got.text)
	}
	if cfg.Encryption != nil && bytes.Contains(got.text, []byte("CLEAR")) {
		t.Errorf("took %q in the clear", got.text)
	}
	if i := slices.IndexFunc(got.types, func(p PayloadType) bool { return p == PayloadHandshakeResponse || p == PayloadEncChallengeResponse }); i >= 0 {
		t.Errorf("took payload type %d as input", got.types[i])
	}
	checkSent(t, &sent, TypeOutput, cfg.Encryption != nil)
}

// proof returns what the agent's last challenge holds.
func (h *heard) proof(o *opener) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	plain, _ := openChallenge(&opener{aead: o.aead, types: o.types}, h.challenge)
	return plain
}
