package channel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRoundTripFollowsTheProtocolsFormula(t *testing.T) {
	var r roundTrip
	if got := r.rto(); got != 200*time.Millisecond {
		t.Errorf("starts at %v", got)
	}
	r.sample(20 * time.Millisecond)
	// variance 1/4 of |100-20| = 20 ms, srtt 7/8 of 100 + 1/8 of 20 = 90 ms
	if got := r.rto(); got != 170*time.Millisecond {
		t.Errorf("is %v after a sample of 20 ms, want 170 ms", got)
	}
	for range 100 {
		r.sample(20 * time.Millisecond)
	}
	if got := r.rto(); got < 30*time.Millisecond || got > 31*time.Millisecond {
		t.Errorf("settles at %v, want the round trip and the clock's 10 ms", got)
	}
	for range 10 {
		r.backoff()
	}
	if got := r.rto(); got != time.Second {
		t.Errorf("backs off to %v, want 1 s", got)
	}
	r.sample(time.Hour)
	if got := r.rto(); got != time.Second {
		t.Errorf("is %v after an hour, want 1 s", got)
	}
}

// TestWindowAgainstAModel drives the window as a stream does and compares it
// with a map of what is unacknowledged.
func TestWindowAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w sendWindow
		now := time.Unix(0, 0)
		type sent struct {
			at    time.Time
			times int
		}
		model := make(map[int64]*sent)
		unsent := make(map[int64]bool)
		next := int64(0)
		number := func(frame []byte) int64 { return int64(frame[0]) | int64(frame[1])<<8 }
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				if w.next() != next {
					t.Fatalf("next is %d, want %d", w.next(), next)
				}
				w.push([]byte{byte(next), byte(next >> 8)})
				model[next], unsent[next] = &sent{}, true
				next++
			},
			"send": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				frames, resent := w.takeUnsent(now, n, nil)
				if len(frames) > n || len(frames) < min(n, len(unsent)) {
					t.Fatalf("%d frames, %d wait, at most %d wanted", len(frames), len(unsent), n)
				}
				again := 0
				for _, frame := range frames {
					s := model[number(frame)]
					if s == nil || !unsent[number(frame)] {
						t.Fatalf("sent %d out of turn", number(frame))
					}
					if s.times > 0 {
						again++
					}
					s.at, s.times = now, s.times+1
					delete(unsent, number(frame))
				}
				if again != resent {
					t.Fatalf("resent is %d, want %d", resent, again)
				}
			},
			"acknowledge": func(t *rapid.T) {
				n := rapid.Int64Range(-1, next+1).Draw(t, "sequence")
				rtt, clean, ok := w.acknowledge(n, now)
				s := model[n]
				if ok != (s != nil) {
					t.Fatalf("acknowledge %d is %v", n, ok)
				}
				if ok && clean != (s.times == 1) || clean && rtt != now.Sub(s.at) {
					t.Fatalf("acknowledge %d: rtt %v, clean %v, sent %d times", n, rtt, clean, s.times)
				}
				delete(model, n)
				delete(unsent, n)
			},
			"reconnect": func(*rapid.T) {
				w.unsend()
				for n := range model {
					unsent[n] = true
				}
			},
			"resend": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				for _, frame := range w.overdue(now, time.Second, n, nil) {
					s := model[number(frame)]
					if s == nil || unsent[number(frame)] || now.Sub(s.at) < time.Second {
						t.Fatalf("sent %d again: %+v", number(frame), s)
					}
					s.at, s.times = now, s.times+1
				}
				if at, ok := w.oldest(n); ok && now.Sub(at) >= time.Second {
					t.Fatal("something overdue stayed behind")
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				if w.unacked != len(model) {
					t.Fatalf("%d unacknowledged, want %d", w.unacked, len(model))
				}
				if len(unsent) > 0 && !w.hasUnsent() {
					t.Fatalf("%d wait to be sent", len(unsent))
				}
			},
		})
	})
}

// TestInboxAgainstAModel delivers each message once and in order, however they
// come.
func TestInboxAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b inbox
		var delivered []byte
		seen := make(map[int64]bool)
		for _, sequence := range rapid.SliceOf(rapid.Int64Range(0, 40)).Draw(t, "arrivals") {
			m := &Message{Sequence: sequence, Payload: []byte{byte(sequence)}}
			got := b.admit(m)
			switch {
			case seen[sequence]:
				if got != arrivalDuplicate {
					t.Fatalf("second %d is %v", sequence, got)
				}
			case sequence == b.expected:
				if got != arrivalNext {
					t.Fatalf("expected %d is %v", sequence, got)
				}
				delivered = append(delivered, m.Payload...)
				b.advance()
			case got != arrivalEarly:
				t.Fatalf("early %d is %v", sequence, got)
			}
			m.Payload[0] = 0xff // the buffer is used again
			seen[sequence] = true
			for next, ok := b.ready(); ok; next, ok = b.ready() {
				delivered = append(delivered, next.payload...)
				b.advance()
			}
		}
		for i, v := range delivered {
			if int(v) != i {
				t.Fatalf("delivered %v", delivered)
			}
		}
		for n := range int64(len(delivered)) {
			delete(seen, n)
		}
		if from, to, gap := b.gap(); gap != (len(seen) > 0) || gap && (from != int64(len(delivered)) || seen[to] || !seen[to+1]) {
			t.Fatalf("gap %d to %d, %v, early %v", from, to, gap, seen)
		}
		if b.bytes != len(seen) {
			t.Fatalf("%d bytes for %d messages", b.bytes, len(seen))
		}
	})
}

func TestUUIDText(t *testing.T) {
	const text = "967c8946-05ff-44f1-9a5b-728dd6c314ca"
	u, err := parseUUID([]byte(text))
	if err != nil || u.String() != text {
		t.Fatalf("got %v, %v", u, err)
	}
	// As recorded: the halves are swapped on the wire.
	if got := u.appendSwapped(nil); got[0] != 0x9a || got[8] != 0x96 || swappedUUID(got) != u {
		t.Errorf("wire form is %x", got)
	}
	if a, b := newUUID(), newUUID(); a == b || a.String()[14] != '4' {
		t.Errorf("new ones are %v and %v", a, b)
	}
	for _, bad := range []string{"", "967c8946", "967c8946-05ff-44f1-9a5b-728dd6c314cg", "967c8946x05ff-44f1-9a5b-728dd6c314ca"} {
		if u, err := parseUUID([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, u)
		}
	}
}

func TestAcknowledgementsOfAnyFormAreRead(t *testing.T) {
	id, err := parseUUID([]byte("967c8946-05ff-44f1-9a5b-728dd6c314ca"))
	if err != nil {
		t.Fatal(err)
	}
	want := Acknowledge{Type: TypeOutput, ID: id, Sequence: 7, Sequential: true}
	for _, text := range []string{
		`{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"967c8946-05ff-44f1-9a5b-728dd6c314ca","AcknowledgedMessageSequenceNumber":7,"IsSequentialMessage":true}`,
		`{ "IsSequentialMessage": true, "AcknowledgedMessageSequenceNumber": 7, "AcknowledgedMessageId": "967C8946-05FF-44F1-9A5B-728DD6C314CA", "AcknowledgedMessageType": "output_stream_data", "More": {} }`,
	} {
		got, err := ParseAcknowledge([]byte(text))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	for _, text := range []string{"", "{}", "[]", "null",
		`{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"967c8946-05ff-44f1-9a5b-728dd6c314ca","AcknowledgedMessageSequenceNumber":-7,"IsSequentialMessage":true}`,
		`{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"967c8946-05ff-44f1-9a5b-728dd6c314ca","AcknowledgedMessageSequenceNumber":99999999999999999999,"IsSequentialMessage":true}`,
		`{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"967c8946-05ff","AcknowledgedMessageSequenceNumber":7,"IsSequentialMessage":true}`,
	} {
		if a, err := ParseAcknowledge([]byte(text)); err == nil {
			t.Errorf("%s is %+v", text, a)
		}
	}
}

func TestTheTokenIsNotPrinted(t *testing.T) {
	open := OpenDataChannel{TokenValue: "AAEAsecret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{open, &open} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, "secret") {
				t.Errorf("%s printed %s", format, got)
			}
		}
	}
}
