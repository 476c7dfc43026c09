package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// resuming lets a wire's session reconnect, with a new token each time.
func resuming(tokens ...string) func(*Config) {
	return func(c *Config) {
		c.Resume = func(context.Context) (string, error) {
			if len(tokens) == 0 {
				return "", nil
			}
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}
	}
}

func TestReconnectGoesOnWithNumbersAndClientID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		w := byHand(t, resuming("second"), func(c *Config) {
			c.OnReconnect = func(attempt int, cause error) { attempts = append(attempts, attempt) }
		})
		first := w.opened
		w.send(0, PayloadOutput, "a")
		w.s.Write([]byte("typed"))
		if data := w.wantAcks(0); len(data) != 1 {
			t.Fatalf("sent %+v", data)
		}
		w.service.Close()
		w.next()
		if w.opened.ClientID != first.ClientID || w.opened.TokenValue != "second" || w.opened.RequestID == first.RequestID {
			t.Errorf("opened %+v after %+v", w.opened, first)
		}
		if data := w.wantAcks(); len(data) != 1 || data[0].Sequence != 0 || string(data[0].Payload) != "typed" {
			t.Errorf("sent again %+v", data)
		}
		w.send(1, PayloadExitCode, "EXIT_CODE: 4")
		w.wantAcks(1)
		w.close("")
		wantExit(t, w.s.Wait(within(t, time.Second)), 4)
		if got := w.s.Stats().Reconnects; got != 1 || len(attempts) != 1 {
			t.Errorf("%d reconnections, attempts %v", got, attempts)
		}
	})
}

func TestInputWrittenDuringAnOutageIsSentAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heal := make(chan struct{})
		w := byHand(t, func(c *Config) {
			c.Resume = func(ctx context.Context) (string, error) { <-heal; return "second", nil }
		})
		w.send(0, PayloadOutput, "$ ")
		w.wantAcks(0)
		w.service.Close()
		time.Sleep(time.Second)
		if _, err := w.s.Write([]byte("one")); err != nil {
			t.Fatal(err)
		}
		close(heal)
		w.next()
		if data := w.wantAcks(); len(data) != 1 || string(data[0].Payload) != "one" {
			t.Errorf("sent %+v", data)
		}
	})
}

func TestALostConnectionWithoutResumeEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadOutput, "a")
		w.service.Close()
		if missing := wantMissing(t, w.s.Wait(within(t, time.Second))); missing.Cause == nil {
			t.Errorf("got %+v", missing)
		}
	})
}

func TestAConnectionLostAfterTheExitCodeLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(0, PayloadExitCode, "EXIT_CODE: 0")
		w.service.Close()
		wantExit(t, w.s.Wait(within(t, time.Second)), 0)
	})
}

func TestAnEmptyTokenMeansTheSessionIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t, resuming())
		w.service.Close()
		err := w.s.Wait(within(t, time.Second))
		if !errors.Is(err, ErrSessionOver) {
			t.Errorf("ended with %v", err)
		}
		if want := "resume session: the service gave no new token: the session has ended or timed out"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("ended with %q, want it to say %q", err, want)
		}
	})
}

func TestTheCauseOfAReconnectDoesNotSayAgainThatTheConnectionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes []string
		w := byHand(t, resuming(), func(c *Config) {
			c.OnReconnect = func(_ int, cause error) { causes = append(causes, cause.Error()) }
		})
		w.service.Close()
		wantMissing(t, w.s.Wait(within(t, time.Second)))
		if len(causes) != 1 || causes[0] == "" || strings.Contains(causes[0], "connection lost") {
			t.Errorf("got %q", causes)
		}
	})
}

func TestReconnectHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		w := byHand(t, func(c *Config) {
			c.ResumeTimeout = time.Minute
			c.Resume = func(context.Context) (string, error) { attempts++; return "", errors.New("throttled") }
		})
		w.service.Close()
		start := time.Now()
		wantMissing(t, w.s.Wait(context.Background()))
		if took := time.Since(start); took < time.Minute || took > time.Minute+reconnectLimit {
			t.Errorf("gave up after %v", took)
		}
		if attempts < 20 || attempts > 200 {
			t.Errorf("%d attempts in a minute", attempts)
		}
	})
}

// A refused token shows only as a connection that ends, so connections that
// bring nothing must not be opened for ever.
// What the service does not allow is asked for a few times, in seconds, and its
// answer is the session's end.
func TestARefusalForGoodEndsTheSessionSoon(t *testing.T) {
	denied := fmt.Errorf("%w: AccessDeniedException", ErrRefused)
	forbidden := &DialError{Status: 403, Err: errors.New("bad handshake")}
	for name, c := range map[string]struct {
		resume, dial error
	}{"by ResumeSession": {resume: denied}, "by the upgrade": {dial: forbidden}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				w := byHand(t, func(cfg *Config) {
					dial := cfg.Dial
					cfg.Dial = func(ctx context.Context) (Transport, error) {
						if attempts > 0 && c.dial != nil {
							return nil, c.dial
						}
						return dial(ctx)
					}
					cfg.Resume = func(context.Context) (string, error) { attempts++; return "again", c.resume }
				})
				w.service.Close()
				start := time.Now()
				err := w.s.Wait(context.Background())
				wantMissing(t, err)
				if took := time.Since(start); took > 10*time.Second || attempts != refusalLimit {
					t.Errorf("gave up after %v and %d attempts", took, attempts)
				}
				if cause := cmp.Or(c.resume, c.dial); !errors.Is(err, cause) || w.s.Outage() != nil {
					t.Errorf("ended with %v, outage %v", err, w.s.Outage())
				}
			})
		})
	}
}

// One attempt that is refused is not the end: new credentials mend it. While it
// lasts it can be asked for.
func TestARefusalThatIsTakenBackEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		w := byHand(t, func(cfg *Config) {
			cfg.Resume = func(context.Context) (string, error) {
				if attempts.Add(1) < refusalLimit {
					return "", ErrRefused
				}
				return "new", nil
			}
		})
		if w.s.Outage() != nil {
			t.Error("an outage before there was one")
		}
		w.service.Close()
		time.Sleep(time.Second)
		if err := w.s.Outage(); err == nil || attempts.Load() > 1 && !errors.Is(err, ErrRefused) {
			t.Errorf("outage %v after %d attempts", err, attempts.Load())
		}
		w.next()
		w.send(0, PayloadExitCode, "EXIT_CODE: 4")
		w.wantAcks(0)
		if err := w.s.Outage(); err != nil {
			t.Errorf("outage %v with a connection", err)
		}
		w.close("")
		wantExit(t, w.s.Wait(within(t, time.Second)), 4)
	})
}

func TestConnectionsThatBringNothingHaveABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		s, err := Connect(t.Context(), Config{
			SessionID: "s-1", Token: "token", ResumeTimeout: time.Minute,
			Resume: func(context.Context) (string, error) { return "another", nil },
			Dial: func(context.Context) (Transport, error) {
				dials++
				client, service := Pipe()
				go func() { service.ReadFrame(); service.Close() }()
				return client, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantMissing(t, s.Wait(within(t, 2*time.Minute)))
		if dials < 10 || dials > 200 {
			t.Errorf("%d dials in a minute", dials)
		}
	})
}

func TestCloseStopsReconnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t, func(c *Config) {
			c.Resume = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		})
		w.service.Close()
		time.Sleep(time.Second)
		start := time.Now()
		w.s.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("close took %v", took)
		}
		if err := w.s.Wait(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestPauseHoldsDataAndItsRetransmission(t *testing.T) {
	for name, resume := range map[string]func(w *wire){
		"start_publication": func(w *wire) { w.sendRaw(serviceMessage(TypeStartPublication, nil)) },
		"an output, should that get lost": func(w *wire) {
			w.send(1, PayloadOutput, "x")
		},
		"an acknowledgement": func(w *wire) { w.ack(99) },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := byHand(t)
			w.send(0, PayloadOutput, "$ ")
			w.s.Write([]byte("one"))
			w.sendRaw(serviceMessage(TypePausePublication, nil))
			w.acks()
			w.s.Write([]byte("two"))
			time.Sleep(10 * time.Minute)
			if _, data := w.acks(); len(data) != 0 {
				t.Fatalf("%s: sent %+v in the pause", name, data)
			}
			resume(w)
			time.Sleep(initialRTO)
			seen := ""
			_, data := w.acks()
			for _, m := range data {
				seen += string(m.Payload) + " "
			}
			if seen != "one two " && seen != "two one " {
				t.Errorf("%s: sent %q after the pause", name, seen)
			}
		})
	}
}

func TestEveryWaitHasADeadline(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		play   func(w *wire)
		after  time.Duration
		is     Layer // "": an exit code
	}{
		"first message": {func(c *Config) { c.StartTimeout = 7 * time.Second }, func(*wire) {}, 7 * time.Second, "the first message"},
		"handshake": {func(c *Config) { c.HandshakeTimeout = 7 * time.Second },
			func(w *wire) { w.send(0, PayloadHandshakeRequest, requestSeparate) }, 7 * time.Second, "the end of the handshake"},
		"idle": {func(c *Config) { c.IdleTimeout = 7 * time.Second },
			func(w *wire) { time.Sleep(5 * time.Second); w.send(0, PayloadOutput, "x") }, 12 * time.Second, "any message"},
		"drain": {func(c *Config) { c.DrainTimeout = 7 * time.Second },
			func(w *wire) { w.send(0, PayloadExitCode, "EXIT_CODE: 3") }, 7 * time.Second, ""},
		"gap": {func(c *Config) {},
			func(w *wire) { w.send(1, PayloadOutput, "x"); w.close("") }, gapTimeout, "missing messages after the end of the session"},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := byHand(t, c.change)
			c.play(w)
			err := w.s.Wait(context.Background())
			if took := time.Since(start); took != c.after {
				t.Errorf("%s: ended after %v, want %v", name, took, c.after)
			}
			if c.is == "" {
				wantExit(t, err, 3)
				return
			}
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.Layer != c.is || !timeout.Timeout() {
				t.Errorf("%s: ended with %v", name, err)
			}
		})
	}
}

func TestKMSIsRefusedInTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		for _, line := range readVector(t, "g-kms-nonint-separate") {
			if line.PayloadType == PayloadHandshakeRequest {
				w.sendRaw(line.bytes(t))
				break
			}
		}
		_, data := w.acks()
		if len(data) != 1 {
			t.Fatalf("answered %+v", data)
		}
		response, err := ParseHandshakeResponse(data[0].Payload)
		if err != nil {
			t.Fatal(err)
		}
		statuses := map[ActionType]ActionStatus{}
		for _, action := range response.ProcessedClientActions {
			statuses[action.ActionType] = action.ActionStatus
		}
		if statuses[ActionKMSEncryption] != ActionUnsupported || statuses[ActionSessionType] != ActionSuccess {
			t.Errorf("answered %s", data[0].Payload)
		}
		w.close("KMSEncryption failed on client with status 3 error")
		var unsupported *UnsupportedError
		if err := w.s.Wait(within(t, time.Second)); !errors.As(err, &unsupported) || unsupported.Action != "KMSEncryption" {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestTheInboxOfASessionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		frame := AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: make([]byte, 4<<10)})
		for sequence := int64(1); sequence < maxEarlyMessages+1000; sequence++ {
			for i := range 8 {
				frame[sequenceOffset+7-i] = byte(sequence >> (8 * i))
			}
			w.service.WriteFrame(Frame{Data: frame})
		}
		acks, _ := w.acks()
		if want := maxEarlyBytes / (4 << 10); len(acks) != want {
			t.Errorf("kept %d early messages, want %d", len(acks), want)
		}
		w.send(1<<40, PayloadOutput, "nonsense")
		w.wantProtocolError()
	})
}
