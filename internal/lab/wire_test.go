package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// faultyNode starts a lab of one node with faults.
func faultyNode(t testing.TB, f hclspec.Faults) (*Lab, *node) {
	t.Helper()
	return oneNode(t, func(spec *hclspec.Lab) { spec.Faults = f })
}

func every(messages int) hclspec.Trigger {
	return hclspec.Trigger{Repeats: true, Messages: messages}
}
func after(messages int) hclspec.Trigger { return hclspec.Trigger{Messages: messages} }

func TestFaultsThatClientsRecoverFrom(t *testing.T) {
	const brief = 20 * time.Millisecond
	tests := map[string]struct {
		faults    hclspec.Faults
		reconnect bool
	}{
		"cut once, by bytes":      {hclspec.Faults{Disconnect: hclspec.Trigger{Bytes: 8 << 10}}, true},
		"cut often, by bytes":     {hclspec.Faults{Disconnect: hclspec.Trigger{Repeats: true, Bytes: 16 << 10}}, true},
		"cut once, by messages":   {hclspec.Faults{Disconnect: after(10)}, true},
		"jitter":                  {hclspec.Faults{Jitter: 3 * time.Millisecond}, false},
		"pause":                   {hclspec.Faults{Pause: hclspec.Pause{When: every(4), For: brief}}, false},
		"pause, and start lost":   {hclspec.Faults{Pause: hclspec.Pause{When: after(4), For: brief}, LostStart: true}, false},
		"wrong digest":            {hclspec.Faults{BadMessages: map[string]hclspec.Trigger{"wrong_digest": after(3)}}, false},
		"slow api and handshake":  {hclspec.Faults{Slow: map[string]time.Duration{"api": brief, "handshake": brief}}, false},
		"slow dial, upgrade":      {hclspec.Faults{Slow: map[string]time.Duration{"dial": brief, "upgrade": brief}}, false},
		"slow open, output, end":  {hclspec.Faults{Slow: map[string]time.Duration{"open": brief, "output": brief, "exit": brief, "close": brief}}, false},
		"slow with a late answer": {hclspec.Faults{Slow: map[string]time.Duration{"close": 300 * time.Millisecond}, Latency: time.Millisecond}, false},
	}
	script, want := lines(400)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l, n := faultyNode(t, tt.faults)
			code, stdout, _ := l.run(t, n, script+"; exit 3")
			if code != 3 || stdout != want {
				t.Errorf("exit code %d and %d bytes, want 3 and %d", code, len(stdout), len(want))
			}
			if got := l.Sessions()[0].Opens > 1; got != tt.reconnect {
				t.Errorf("reconnected is %v, want %v", got, tt.reconnect)
			}
		})
	}
}

func TestBurstsOfLossLoseNothing(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{Drop: 0.05, DropBurst: 3, Seed: 4})
	printAndStay(t, l, n, 20)
}

func TestABlackHoleIsNoticedAndLeft(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{Blackhole: after(12)})
	script, want := lines(400)
	started := l.ssm(t, "StartSession", runInput(n, script))
	c := l.connect(t, started, func(c *channel.Config) {
		c.Dial = func(ctx context.Context) (channel.Transport, error) {
			return channel.DialWebsocket(ctx, started["StreamUrl"].(string),
				channel.WebsocketOptions{PingInterval: 50 * time.Millisecond, PongTimeout: 50 * time.Millisecond})
		}
	})
	if code := c.wait(); code != 0 || c.stdout.String() != want {
		t.Errorf("exit code %d and %d bytes, want 0 and %d", code, len(c.stdout.String()), len(want))
	}
	if opens := l.Sessions()[0].Opens; opens != 2 {
		t.Errorf("%d connections, want 2", opens)
	}
}

func TestBadMessagesEndTheSession(t *testing.T) {
	for kind, want := range map[string]string{
		"header_length_0":          "header length is 0, want 116",
		"header_length_117":        "header length is 117, want 116",
		"header_length_4294967295": "header length is 4294967295, want 116",
		"payload_length":           "payload length is",
		"payload_type":             "payload type is 99",
		"negative_sequence":        "sequence number is -",
		"text_frame":               "a text frame",
		"too_big":                  "read limit exceeded",
	} {
		t.Run(kind, func(t *testing.T) {
			l, n := faultyNode(t, hclspec.Faults{BadMessages: map[string]hclspec.Trigger{kind: after(3)}})
			err := ending(t, l.open(t, runInput(n, "echo out; sleep 60")))
			if protocol := (*channel.ProtocolError)(nil); !errors.As(err, &protocol) || !strings.Contains(err.Error(), want) {
				t.Errorf("ended with %v, want a protocol error with %q", err, want)
			}
		})
	}
}

// ending is what Wait returns.
func ending(t *testing.T, c *client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := c.Wait(ctx)
	if ctx.Err() != nil {
		t.Fatal("the session does not end")
	}
	return err
}

func TestPhasesThatAreNeverAnswered(t *testing.T) {
	const brief = 150 * time.Millisecond
	for phase, tt := range map[string]struct {
		limit func(*channel.Config)
		want  string
	}{
		"open":      {func(c *channel.Config) { c.StartTimeout = brief }, "waiting for the first message"},
		"handshake": {func(c *channel.Config) { c.IdleTimeout = brief }, "waiting for any message"},
		"output":    {func(c *channel.Config) { c.IdleTimeout = brief }, "waiting for any message"},
		"exit":      {func(c *channel.Config) { c.IdleTimeout = brief }, "waiting for any message"},
		"close":     {func(c *channel.Config) { c.DrainTimeout = brief }, ""}, // the exit code has come
	} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel() // an agent waits two seconds for acknowledgements
			l, n := faultyNode(t, hclspec.Faults{Slow: map[string]time.Duration{phase: hclspec.Never}})
			got := ""
			if err := ending(t, l.open(t, runInput(n, "echo out"), tt.limit)); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("ended with %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDialsThatAreNeverAnswered(t *testing.T) {
	for _, phase := range []string{"dial", "upgrade"} {
		t.Run(phase, func(t *testing.T) {
			l, n := faultyNode(t, hclspec.Faults{Slow: map[string]time.Duration{phase: hclspec.Never}})
			started := l.ssm(t, "StartSession", object{"Target": n.id})
			_, err := channel.DialWebsocket(t.Context(), started["StreamUrl"].(string), channel.WebsocketOptions{UpgradeTimeout: 100 * time.Millisecond})
			if timeout := (interface{ Timeout() bool })(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("dial ended with %v, want a timeout", err)
			}
		})
	}
}

func TestTheSameSeedMakesTheSameChoices(t *testing.T) {
	choices := func(seed int64, number int) string {
		l := &session{node: &node{id: "i-1", faults: hclspec.Faults{Seed: seed, Drop: 0.3, DropBurst: 2, Jitter: time.Second}}, number: number}
		lane := l.lane(0, 1)
		frame := channel.Frame{Data: channel.AppendMessage(nil, &channel.Message{Type: channel.TypeOutput})}
		var all []string
		for range 50 {
			all = append(all, fmt.Sprint(lane.loses(frame), lane.latency()))
		}
		return strings.Join(all, "\n")
	}
	first := choices(1, 1)
	if again := choices(1, 1); first != again {
		t.Error("the same seed made other choices")
	}
	if first == choices(2, 1) || first == choices(1, 2) {
		t.Error("another seed or session made the same choices")
	}
}

func TestTallies(t *testing.T) {
	for _, tt := range []struct {
		when hclspec.Trigger
		want []int // which of ten messages of 100 bytes
	}{
		{every(4), []int{4, 8}},
		{after(4), []int{4}},
		{hclspec.Trigger{Repeats: true, Bytes: 250}, []int{3, 5, 8, 10}},
		{hclspec.Trigger{Bytes: 250}, []int{3}},
		{hclspec.Trigger{Time: time.Second}, nil},
		{hclspec.Trigger{}, nil},
	} {
		var got []int
		count := tally{when: tt.when}
		for i := range 10 {
			if count.count(100) {
				got = append(got, i+1)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v struck at %v, want %v", tt.when, got, tt.want)
		}
	}
}
