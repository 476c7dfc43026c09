package channel

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestReferenceSession runs one session of each kind against the reference over
// a perfect network.
func TestReferenceSession(t *testing.T) {
	for name, conf := range map[string]refConfig{
		"shell":           {notReady: time.Second},
		"encrypted shell": {key: "alias/ssm"},
		"command":         {kind: "NonInteractiveCommands", handshake: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var input bytes.Buffer
			conf.input = func(_ uint32, p []byte) { input.Write(p) }
			g := newRefGateway(t, conf, refFaults{latency: time.Millisecond})
			g.begin()
			defer g.stop()
			var stdout, stderr recorder
			cfg := g.config()
			cfg.Stdout, cfg.Stderr = &stdout, &stderr
			s, err := Connect(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			g.after(time.Second, func() { g.agent.output(1, []byte("prompt")) })
			if _, err := s.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			g.do(func() {
				g.agent.output(1, bytes.Repeat([]byte("out"), 1000))
				g.agent.output(11, []byte("err"))
				g.agent.exit(3)
				g.agent.finish()
			})
			var exit *ExitError
			if err := s.Wait(within(t, time.Minute)); !errors.As(err, &exit) || exit.Code != 3 {
				t.Errorf("%s: %v", name, err)
			}
			if got := stdout.String(); len(got) != 6+3000 || stderr.String() != "err" || input.String() != "hello" {
				t.Errorf("%s: %d bytes of output, %q and %q", name, len(got), stderr.String(), input.String())
			}
			if s.Encrypted() != (conf.key != "") {
				t.Errorf("%s: encrypted is %v", name, s.Encrypted())
			}
			s.Close()
		})
	}
}
