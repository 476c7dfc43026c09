package channel

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func outputFrame(sequence int64) Frame {
	return Frame{Data: AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, Sequence: sequence, PayloadType: PayloadOutput, Payload: []byte("x")})}
}

func TestLatencyDelaysBothWaysKeepsOrderAndHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, service := Pipe()
		bad := Faulty(client, Faults{Latency: 100 * time.Millisecond})
		start := time.Now()
		for i := range 5 {
			if err := bad.WriteFrame(outputFrame(int64(i))); err != nil {
				t.Fatal(err)
			}
			service.WriteFrame(outputFrame(int64(i)))
		}
		if time.Since(start) != 0 {
			t.Error("the writer was held")
		}
		for _, end := range []Transport{bad, service} {
			for i := range 5 {
				frame, err := end.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if m, err := ParseMessage(frame.Data); err != nil || m.Sequence != int64(i) {
					t.Errorf("got %+v, %v, want number %d", m, err, i)
				}
			}
			if took := time.Since(start); took != 100*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}
		bad.Close()
		if _, err := bad.ReadFrame(); err == nil {
			t.Error("read after close")
		}
		service.Close()
	})
}

func TestACutFailsBothDirections(t *testing.T) {
	client, service := Pipe()
	bad := Faulty(client, Faults{CutAfter: 3})
	for i := range 2 {
		if err := bad.WriteFrame(outputFrame(int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := bad.WriteFrame(outputFrame(2)); !errors.Is(err, ErrCut) {
		t.Errorf("third frame: %v", err)
	}
	if _, err := bad.ReadFrame(); !errors.Is(err, ErrCut) {
		t.Errorf("read: %v", err)
	}
	if err := service.WriteFrame(outputFrame(0)); err == nil {
		t.Error("the other end does not know")
	}
	bad.Close()
	service.Close()
}

func TestFaultsAreTheSeeds(t *testing.T) {
	pass := func(seed uint64) string {
		client, service := Pipe()
		bad := Faulty(client, Faults{Seed: seed, Drop: 0.2, Duplicate: 0.2, Reorder: 0.2})
		for i := range 100 {
			bad.WriteFrame(outputFrame(int64(i)))
		}
		bad.WriteFrame(Frame{Data: channelClosed("s-1", "")})
		bad.Close()
		order := ""
		for {
			frame, err := service.ReadFrame()
			if err != nil {
				return order
			}
			m, err := ParseMessage(frame.Data)
			if err != nil {
				t.Fatal(err)
			}
			order += fmt.Sprint(m.Type[0:1], m.Sequence, " ")
		}
	}
	first := pass(1)
	if first != pass(1) || first == pass(2) {
		t.Error("a seed does not make the same choices, or two seeds do")
	}
	if want := "c0 "; first[len(first)-3:] != want {
		t.Errorf("channel_closed was lost or overtaken: %s", first)
	}
}
