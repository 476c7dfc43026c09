package channel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keyService is a KMS with one key: a data key's ciphertext is JSON of what it
// is bound to and of the key, as in the recorded sessions.
type keyService struct {
	calls atomic.Int32
	keyID string            // of the last call
	bound map[string]string // of the last call
	err   error             // of GenerateDataKey
	size  int               // 0: dataKeySize
}

type sealedKey struct {
	Context map[string]string `json:"c"`
	Key     []byte            `json:"k"`
}

func (k *keyService) dataKey(_ context.Context, keyID string, bound map[string]string) ([]byte, []byte, error) {
	k.calls.Add(1)
	k.keyID, k.bound = keyID, bound
	if k.err != nil {
		return nil, nil, k.err
	}
	size := dataKeySize
	if k.size != 0 {
		size = k.size
	}
	key := unguessable(size)
	blob, err := json.Marshal(sealedKey{bound, key})
	return key, blob, err
}

func decryptKey(_ context.Context, _ string, blob []byte, bound map[string]string) ([]byte, error) {
	var sealed sealedKey
	if err := json.Unmarshal(blob, &sealed); err != nil {
		return nil, err
	}
	if !maps.Equal(sealed.Context, bound) {
		return nil, fmt.Errorf("InvalidCiphertextException: bound to %v, not %v", sealed.Context, bound)
	}
	return sealed.Key, nil
}

func encryptedAgent(kind SessionType) AgentConfig {
	return AgentConfig{SessionType: kind, Encryption: &AgentEncryption{KeyID: "alias/ssm", TargetID: "i-1", Decrypt: decryptKey}}
}

// withKMS lets a client encrypt.
func (k *keyService) withKMS(c *Config) { c.TargetID, c.DataKey = "i-1", k.dataKey }

func required(c *Config) { c.RequireEncryption = true }

func wantEncryptionError(t testing.TB, err error, text string) *EncryptionError {
	t.Helper()
	var e *EncryptionError
	if !errors.As(err, &e) || !strings.Contains(e.Error(), text) {
		t.Fatalf("ended with %v, want an EncryptionError that says %q", err, text)
	}
	return e
}

// tap shows what crosses a transport.
type tap struct {
	Transport
	see func(fromClient bool, m Message)
}

func (p *tap) WriteFrame(f Frame) error {
	p.look(true, f)
	return p.Transport.WriteFrame(f)
}

func (p *tap) ReadFrame() (Frame, error) {
	f, err := p.Transport.ReadFrame()
	if err == nil {
		p.look(false, f)
	}
	return f, err
}

func (p *tap) look(fromClient bool, f Frame) {
	if m, err := ParseMessage(f.Data); !f.Text && err == nil {
		p.see(fromClient, m)
	}
}

func TestAnEncryptedSessionIsEncryptedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kms keyService
		var got recorder
		cfg := encryptedAgent(StandardStream)
		cfg.Encryption.RequireChallengeResponse = true
		cfg.Input = func(kind PayloadType, p []byte) error {
			if kind == PayloadOutput {
				got.Write(p)
			}
			return nil
		}
		l := newLink(t, cfg)
		types := map[PayloadType]bool{}
		s := l.connect(kms.withKMS, required, func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (Transport, error) {
				inner, err := dial(ctx)
				return &tap{inner, func(fromClient bool, m Message) {
					if m.Type == TypeAcknowledge || m.Type == TypeStartPublication || m.Type == TypeChannelClosed {
						return
					}
					if strings.Contains(string(m.Payload), "canary") || strings.Contains(string(m.Payload), "EXIT_CODE") {
						t.Errorf("type %d is in the clear: %q", m.PayloadType, m.Payload)
					}
					types[m.PayloadType] = true
				}}, err
			}
		})
		if _, err := s.Write([]byte("canary typed early, ")); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("and late canary"))
		s.Resize(80, 24)
		l.agent.Stdout([]byte(strings.Repeat("canary out\n", 1000)))
		l.agent.Stderr([]byte("canary err"))
		synctest.Wait()
		l.agent.Exit(3)
		l.agent.Close("")
		wantExit(t, s.Wait(within(t, time.Second)), 3)
		if got.String() != "canary typed early, and late canary" {
			t.Errorf("agent got %q", got.String())
		}
		if l.stdout.String() != strings.Repeat("canary out\n", 1000) || l.stderr.String() != "canary err" {
			t.Errorf("got %d bytes and %q", len(l.stdout.String()), l.stderr.String())
		}
		if !s.Encrypted() || s.CustomerMessage() != encryptedMessage {
			t.Errorf("encrypted %v, message %q", s.Encrypted(), s.CustomerMessage())
		}
		if kms.bound["aws:ssm:RandomChallenge"] == "" || kms.bound["aws:ssm:SessionId"] != "s-1" || kms.bound["aws:ssm:TargetId"] != "i-1" || kms.keyID != "alias/ssm" {
			t.Errorf("KMS was asked for %s, %v", kms.keyID, kms.bound)
		}
		if !types[PayloadSize] || !types[PayloadStdErr] || !types[PayloadExitCode] {
			t.Errorf("saw types %v", types)
		}
		l.end(s)
	})
}

// Nonces are spent when input is taken, so what the agent was not ready for may
// come again; keys go on over connections.
func TestEncryptionOverABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kms keyService
		var got recorder
		n := 0
		cfg := encryptedAgent(NonInteractiveCommands)
		cfg.Input = func(_ PayloadType, p []byte) error {
			if n++; n <= 3 {
				return ErrNotReady
			}
			got.Write(p)
			return nil
		}
		l := newLink(t, cfg)
		l.faults = func(connection int) Faults {
			f := Faults{Seed: uint64(connection), Latency: 5 * time.Millisecond, Drop: 0.05, Duplicate: 0.1, Reorder: 0.1}
			if connection < 3 {
				f.CutAfter = 60
			}
			return f
		}
		s := l.connect(kms.withKMS, required)
		all := strings.Repeat("0123456789abcdef", 4<<10)
		go func() { s.Write([]byte(all)) }()
		l.agent.Ready(context.Background())
		l.agent.Stdout([]byte(all))
		l.agent.Drain(within(t, time.Hour))
		for range 600 {
			if len(got.String()) == len(all) {
				break
			}
			time.Sleep(time.Second)
		}
		if got.String() != all || l.stdout.String() != all {
			t.Errorf("agent got %d bytes, client %d, want %d", len(got.String()), len(l.stdout.String()), len(all))
		}
		select {
		case <-s.Done():
			t.Errorf("ended with %v", s.Wait(t.Context()))
		default:
		}
		if s.Stats().Reconnects == 0 || kms.calls.Load() != 1 {
			t.Errorf("%d reconnects, %d data keys", s.Stats().Reconnects, kms.calls.Load())
		}
		l.end(s)
	})
}

func TestRequiredEncryptionFailsClosed(t *testing.T) {
	t.Run("no handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(t, AgentConfig{Input: func(PayloadType, []byte) error { t.Error("input left"); return nil }})
			s := l.connect(new(keyService).withKMS, required)
			s.Write([]byte("secret\n"))
			l.agent.Stdout([]byte("$ "))
			if e := wantEncryptionError(t, s.Wait(within(t, time.Second)), "began without it"); !e.Unasked {
				t.Error("it does not say that the agent began")
			}
			if l.stdout.String() != "" {
				t.Errorf("output was delivered: %q", l.stdout.String())
			}
			l.end(s)
		})
	})
	t.Run("no word", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(t, AgentConfig{Input: func(PayloadType, []byte) error { t.Error("input left"); return nil }})
			s := l.connect(new(keyService).withKMS, required)
			s.Write([]byte("secret\n"))
			start := time.Now()
			wantEncryptionError(t, s.Wait(within(t, time.Hour)), "no handshake in time")
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("took %v", took)
			}
			l.end(s)
		})
	})
	t.Run("no KMS action", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(t, AgentConfig{Handshake: true, SessionType: NonInteractiveCommands})
			s := l.connect(new(keyService).withKMS, required)
			if e := wantEncryptionError(t, s.Wait(within(t, time.Second)), "does not ask for it"); e.Unasked {
				t.Error("the agent waits for the handshake")
			}
			if err := l.agent.Ready(within(t, time.Second)); err == nil {
				t.Error("the agent went on")
			}
			l.end(s)
		})
	})
	t.Run("the agent goes on all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := byHand(t, new(keyService).withKMS, required)
			w.s.Write([]byte("secret"))
			w.send(0, PayloadHandshakeRequest, requestSeparate)
			w.send(1, PayloadHandshakeComplete, completed)
			wantEncryptionError(t, w.s.Wait(within(t, time.Minute)), "does not ask for it")
			if _, data := w.acks(); len(data) != 1 || data[0].PayloadType != PayloadHandshakeResponse {
				t.Errorf("sent %+v", data)
			}
		})
	})
	t.Run("without a way to get a key", func(t *testing.T) {
		if _, err := Connect(t.Context(), Config{SessionID: "s", Token: "t", RequireEncryption: true,
			Dial: func(context.Context) (Transport, error) { panic("dialled") }}); err == nil {
			t.Error("connected")
		}
	})
}

func TestADataKeyThatCannotBeHadEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		kms    *keyService
		pin    string
		change func(*AgentConfig)
		want   string // of the client's error
		told   string // by the agent
	}{
		"denied":        {kms: &keyService{err: errors.New("AccessDeniedException")}, want: "AccessDeniedException", told: "status 2"},
		"short key":     {kms: &keyService{size: 32}, want: "32 bytes", told: "status 2"},
		"wrong key":     {kms: &keyService{}, pin: "alias/other", want: `"alias/other" is required`, told: "status 2"},
		"wrong account": {kms: &keyService{}, pin: "arn:aws:kms:us-east-1:123456789012:alias/other", want: "is required", told: "status 2"},
		"no key id":     {kms: &keyService{}, change: func(c *AgentConfig) { c.Encryption.KeyID = "" }, want: "not understood", told: "status 2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := encryptedAgent(NonInteractiveCommands)
				if c.change != nil {
					c.change(&cfg)
				}
				l := newLink(t, cfg)
				s := l.connect(c.kms.withKMS, func(cfg *Config) { cfg.KeyID = c.pin })
				missing := wantMissing(t, s.Wait(within(t, time.Minute)))
				wantEncryptionError(t, missing, c.want)
				if !strings.Contains(missing.Output, c.told) {
					t.Errorf("the agent said %q", missing.Output)
				}
				if c.pin != "" && c.kms.calls.Load() != 0 {
					t.Error("KMS was asked")
				}
				l.end(s)
			})
		})
	}
}

func TestThePinnedKeyMakesTheDataKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pin = "arn:aws:kms:us-east-1:123456789012:key/1"
		var kms keyService
		l := newLink(t, encryptedAgent(NonInteractiveCommands))
		s := l.connect(kms.withKMS, func(c *Config) { c.KeyID = pin })
		if err := s.Ready(within(t, time.Second)); err != nil || kms.keyID != pin {
			t.Errorf("key %q, %v", kms.keyID, err)
		}
		l.end(s)
	})
}

func TestTheAgentRefusesAKeyOfAnotherSessionOrTarget(t *testing.T) {
	for name, change := range map[string]func(*Config, *AgentConfig){
		"target":  func(c *Config, _ *AgentConfig) { c.TargetID = "i-2" },
		"session": func(c *Config, _ *AgentConfig) { c.SessionID = "s-2" },
		"challenge not acknowledged": func(c *Config, a *AgentConfig) {
			a.Encryption.RequireChallengeResponse = true
			dial := c.Dial
			c.Dial = func(ctx context.Context) (Transport, error) {
				t, err := dial(ctx)
				return &forgetful{t}, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := encryptedAgent(NonInteractiveCommands)
				var kms keyService
				l := &link{t: t}
				client := l.config()
				kms.withKMS(&client)
				change(&client, &cfg)
				cfg.SessionID = "s-1"
				l.agent = NewAgent(cfg)
				s, err := Connect(t.Context(), client)
				if err != nil {
					t.Fatal(err)
				}
				missing := wantMissing(t, s.Wait(within(t, time.Minute)))
				wantEncryptionError(t, missing, "did not go on with the data key")
				if missing.Output == "" || l.agent.Ready(t.Context()) == nil || s.Encrypted() {
					t.Errorf("got %v", missing)
				}
				l.end(s)
			})
		})
	}
}

// forgetful is a client that never heard of the acknowledgement.
type forgetful struct{ Transport }

func (f *forgetful) WriteFrame(frame Frame) error {
	if m, err := ParseMessage(frame.Data); err == nil && m.PayloadType == PayloadHandshakeResponse {
		m.Payload = []byte(strings.Replace(string(m.Payload), `,"ChallengeAcknowledgement":true`, "", 1))
		frame.Data = AppendMessage(nil, &m)
	}
	return f.Transport.WriteFrame(frame)
}

// keyed brings a hand-made agent to the point where the client has sent its data
// key, and returns the agent's ciphers.
func keyed(t *testing.T) (*wire, *sealer, *opener) {
	var kms keyService
	w := byHand(t, kms.withKMS)
	w.send(0, PayloadHandshakeRequest, requestKMS)
	_, data := w.acks()
	if len(data) != 1 {
		t.Fatalf("answered %+v", data)
	}
	response, err := ParseHandshakeResponse(data[0].Payload)
	if err != nil || len(response.ProcessedClientActions) != 2 {
		t.Fatalf("%s: %v", data[0].Payload, err)
	}
	result, err := ParseKMSResult(response.ProcessedClientActions[1].ActionResult)
	if err != nil || !result.ChallengeAcknowledgement {
		t.Fatalf("%+v, %v", result, err)
	}
	key, err := decryptKey(t.Context(), "", result.KMSCipherTextKey, encryptionContext("s-1", "i-1", "AAAA"))
	if err != nil {
		t.Fatal(err)
	}
	toClient, ofClient, err := newCiphers(key, agentRole)
	if err != nil {
		t.Fatal(err)
	}
	return w, toClient, ofClient
}

const requestKMS = `{"AgentVersion":"3.3.0.0","RequestedClientActions":[` +
	`{"ActionType":"SessionType","ActionParameters":{"SessionType":"NonInteractiveCommands","Properties":null}},` +
	`{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/ssm","Challenge":"AAAA"}}]}`

func challengeOf(s *sealer, plain string) string {
	return `{"Challenge":"` + base64.StdEncoding.EncodeToString(s.seal([]byte(plain))) + `"}`
}

func TestEncryptionOutOfTurnEndsTheSession(t *testing.T) {
	type message struct {
		kind    PayloadType
		payload func(s *sealer, sent []string) string
	}
	text := func(kind PayloadType, payload string) message {
		return message{kind, func(*sealer, []string) string { return payload }}
	}
	sealed := func(kind PayloadType, plain string) message {
		return message{kind, func(s *sealer, _ []string) string { return string(s.seal([]byte(plain))) }}
	}
	challenge := message{PayloadEncChallengeRequest, func(s *sealer, _ []string) string { return challengeOf(s, "proof") }}
	again := func(i int, kind PayloadType) message {
		return message{kind, func(_ *sealer, sent []string) string { return sent[i] }}
	}
	complete := text(PayloadHandshakeComplete, completed)
	for name, script := range map[string][]message{
		"completion before the challenge":     {complete},
		"output before the challenge":         {sealed(PayloadOutput, "x")},
		"output before the completion":        {challenge, sealed(PayloadOutput, "x")},
		"two challenges":                      {challenge, challenge},
		"challenge after the completion":      {challenge, complete, challenge},
		"second request":                      {text(PayloadHandshakeRequest, requestKMS)},
		"second request after the completion": {challenge, complete, text(PayloadHandshakeRequest, requestKMS)},
		"challenge is no JSON":                {text(PayloadEncChallengeRequest, "{")},
		"challenge is no base64":              {text(PayloadEncChallengeRequest, `{"Challenge":"!"}`)},
		"challenge is empty":                  {text(PayloadEncChallengeRequest, `{}`)},
		"challenge is not encrypted":          {text(PayloadEncChallengeRequest, `{"Challenge":"`+strings.Repeat("AAAA", 40)+`"}`)},
		"output in the clear":                 {challenge, complete, text(PayloadOutput, "plain output that is long enough")},
		"errors in the clear":                 {challenge, complete, text(PayloadStdErr, "plain output that is long enough")},
		"exit code in the clear":              {challenge, complete, text(PayloadExitCode, "EXIT_CODE: 0")},
		"short ciphertext":                    {challenge, complete, text(PayloadOutput, strings.Repeat("x", 27))},
		"replayed output":                     {challenge, complete, sealed(PayloadOutput, "x"), again(2, PayloadOutput)},
		"replayed as another type":            {challenge, complete, sealed(PayloadOutput, "x"), again(2, PayloadStdErr)},
		"empty output":                        {challenge, complete, text(PayloadOutput, "")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, toClient, _ := keyed(t)
				var sent []string
				for i, m := range script {
					payload := m.payload(toClient, sent)
					sent = append(sent, payload)
					w.send(int64(i+1), m.kind, payload)
				}
				missing := wantMissing(t, w.s.Wait(within(t, time.Minute)))
				var protocol *ProtocolError
				if !errors.As(missing, &protocol) {
					t.Errorf("ended with %v", missing)
				}
				if got := w.out.String() + w.errs.String(); got != "" && got != "x" {
					t.Errorf("delivered %q", got)
				}
			})
		})
	}
}

func TestTwoRequestsForEncryptionAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kms keyService
		w := byHand(t, kms.withKMS)
		action := `{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/ssm"}}`
		w.send(0, PayloadHandshakeRequest, `{"AgentVersion":"3","RequestedClientActions":[`+action+`,`+action+`]}`)
		w.wantProtocolError()
		if kms.calls.Load() != 0 {
			t.Error("KMS was asked")
		}
	})
}

func TestTheChallengeIsAnsweredAndInputIsEncrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, toClient, ofClient := keyed(t)
		w.s.Write([]byte("input"))
		w.send(1, PayloadEncChallengeRequest, challengeOf(toClient, "proof"))
		w.send(2, PayloadHandshakeComplete, completed)
		_, data := w.acks()
		if len(data) != 2 || data[0].PayloadType != PayloadEncChallengeResponse || data[1].PayloadType != PayloadOutput {
			t.Fatalf("sent %+v", data)
		}
		if plain, err := openChallenge(ofClient, data[0].Payload); err != nil || string(plain) != "proof" {
			t.Errorf("answered %q, %v", plain, err)
		}
		if plain, _, err := ofClient.open(data[1].Payload); err != nil || string(plain) != "input" {
			t.Errorf("typed %q, %v", plain, err)
		}
	})
}

func TestTheAgentRefusesInputThatIsNotEncryptedOrComesAgain(t *testing.T) {
	for name, bad := range map[string]func(good []byte) []byte{
		"in the clear": func([]byte) []byte { return []byte("rm -rf / # and some more text to be long") },
		"short":        func(good []byte) []byte { return good[:20] },
		"replayed":     func(good []byte) []byte { return good },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var kms keyService
				var got recorder
				cfg := encryptedAgent(StandardStream)
				cfg.Input = func(_ PayloadType, p []byte) error { got.Write(p); return nil }
				l := newLink(t, cfg)
				s := l.connect(kms.withKMS)
				if err := s.Ready(within(t, time.Second)); err != nil {
					t.Fatal(err)
				}
				good, err := s.stream.sealChallenge([]byte("ls\n"))
				if err != nil {
					t.Fatal(err)
				}
				challenge, err := ParseEncChallenge(good)
				if err != nil {
					t.Fatal(err)
				}
				sealed, err := base64.StdEncoding.DecodeString(challenge.Challenge)
				if err != nil {
					t.Fatal(err)
				}
				s.stream.encrypt(nil) // what is sent now goes as it is
				s.stream.send(PayloadOutput, sealed)
				s.stream.send(PayloadOutput, bad(sealed))
				missing := wantMissing(t, s.Wait(within(t, time.Minute)))
				if got.String() != "ls\n" || !strings.Contains(missing.Output, "decrypt") {
					t.Errorf("agent took %q and said %q", got.String(), missing.Output)
				}
				l.end(s)
			})
		})
	}
}

func TestTheAgentTimesOutOnAWrongProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, encryptedAgent(NonInteractiveCommands))
		s := l.connect(new(keyService).withKMS, func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (Transport, error) {
				t, err := dial(ctx)
				return &liar{t}, err
			}
		})
		missing := wantMissing(t, s.Wait(within(t, time.Minute)))
		wantEncryptionError(t, missing, "did not go on")
		if !strings.Contains(missing.Output, "timed out") || l.agent.Ready(t.Context()) == nil {
			t.Errorf("got %v", missing)
		}
		l.end(s)
	})
}

// liar answers the challenge with the challenge.
type liar struct{ Transport }

func (f *liar) WriteFrame(frame Frame) error {
	if m, err := ParseMessage(frame.Data); err == nil && m.PayloadType == PayloadEncChallengeResponse {
		m.Payload = []byte(`{"Challenge":"` + strings.Repeat("AAAA", 20) + `"}`)
		frame.Data = AppendMessage(nil, &m)
	}
	return f.Transport.WriteFrame(frame)
}

// The recorded client lost all the output of this session.
func TestReplayOfAnEncryptedSession(t *testing.T) {
	const name = "g-kms-nonint-separate"
	key, bound := recordedKey(t, name)
	var asked map[string]string
	stdout, stderr, _, err := replay(t, name, once, func(c *Config) {
		c.SessionID, c.TargetID, c.RequireEncryption = bound["aws:ssm:SessionId"], bound["aws:ssm:TargetId"], true
		c.KeyID = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
		c.DataKey = func(_ context.Context, _ string, context map[string]string) ([]byte, []byte, error) {
			asked = context
			return append([]byte(nil), key...), []byte("sealed"), nil
		}
	})
	wantExit(t, err, 4)
	if stdout != "secret\n" || stderr != "err\n" {
		t.Errorf("got %q and %q", stdout, stderr)
	}
	if asked["aws:ssm:RandomChallenge"] != "yZNjUBpMAMVqS9tqmInQpg==" {
		t.Errorf("KMS was asked with %v", asked)
	}
	delete(asked, "aws:ssm:RandomChallenge") // the recorded client did not know of it
	if !maps.Equal(asked, bound) {
		t.Errorf("KMS was asked with %v, the recorded client asked with %v", asked, bound)
	}
}

// What the recorded client sent is what the agent's end decrypts.
func TestTheRecordedClientsProofIsRight(t *testing.T) {
	const name = "g-kms-nonint-separate"
	key, _ := recordedKey(t, name)
	_, ofAgent, err := newCiphers(key, clientRole)
	if err != nil {
		t.Fatal(err)
	}
	_, ofClient, err := newCiphers(key, agentRole)
	if err != nil {
		t.Fatal(err)
	}
	var asked, answered []byte
	for _, line := range readVector(t, name) {
		m, err := ParseMessage(line.bytes(t))
		if err != nil {
			continue
		}
		switch m.PayloadType {
		case PayloadEncChallengeRequest:
			asked, err = openChallenge(ofAgent, m.Payload)
		case PayloadEncChallengeResponse:
			answered, err = openChallenge(ofClient, m.Payload)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(asked) != proofSize || string(asked) != string(answered) {
		t.Errorf("asked %x, answered %x", asked, answered)
	}
}

// recordedKey is the data key of a recorded session, and what it is bound to.
func recordedKey(t testing.TB, name string) ([]byte, map[string]string) {
	t.Helper()
	for _, line := range readVector(t, name) {
		if line.PayloadType != PayloadHandshakeResponse {
			continue
		}
		m, err := ParseMessage(line.bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		response, err := ParseHandshakeResponse(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		result, err := ParseKMSResult(response.ProcessedClientActions[1].ActionResult)
		if err != nil {
			t.Fatal(err)
		}
		var sealed sealedKey
		if err := json.Unmarshal(result.KMSCipherTextKey, &sealed); err != nil {
			t.Fatal(err)
		}
		return sealed.Key, sealed.Context
	}
	t.Fatal("no data key")
	return nil, nil
}
