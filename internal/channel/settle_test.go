package channel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// gatedWriter notes each write, and lets it go on, or fail, when told.
type gatedWriter struct {
	began chan string
	may   chan error
}

func newGatedWriter() *gatedWriter {
	return &gatedWriter{began: make(chan string, 100), may: make(chan error)}
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	w.began <- string(p)
	if err := <-w.may; err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestMessagesThatCameTogetherAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout = out })
		w.send(0, PayloadOutput, "alone,")
		if got := <-out.began; got != "alone," {
			t.Fatalf("wrote %q", got)
		}
		w.send(1, PayloadOutput, "to")
		w.send(2, PayloadOutput, "gether")
		w.wantAcks() // what is being written is not accepted yet
		out.may <- nil
		w.wantAcks(0)
		if got := <-out.began; got != "together" {
			t.Fatalf("wrote %q", got)
		}
		w.wantAcks()
		out.may <- nil
		w.wantAcks(1, 2)
	})
}

func TestWhatIsNotAcceptedIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk is full")
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout = out })
		w.send(0, PayloadOutput, "a")
		w.send(1, PayloadOutput, "b")
		w.send(2, PayloadExitCode, "EXIT_CODE: 0")
		out.may <- nil
		w.wantAcks(0)
		out.may <- full
		w.wantAcks()
		err := w.s.Wait(within(t, lastWords))
		var missing *ExitMissingError
		if !errors.Is(err, full) || !errors.As(err, &missing) || missing.Code != nil {
			t.Errorf("ended with %v, want no exit code, because the disk is full", err)
		}
	})
}

func TestOutputIsWrittenBeforeTheSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout, c.Stderr = out, out })
		w.send(0, PayloadOutput, "0,")
		w.send(1, PayloadOutput, "1,")
		w.send(2, PayloadStdErr, "2,")
		w.send(3, PayloadOutput, "3,")
		w.send(4, PayloadExitCode, "EXIT_CODE: 5")
		w.close("")
		var got []string
		for range 4 {
			got = append(got, <-out.began)
			if isClosed(w.s.Done()) {
				t.Fatal("the session ended before its output was taken")
			}
			out.may <- nil
		}
		wantExit(t, w.s.Wait(within(t, lastWords)), 5)
		if text := strings.Join(got, ""); text != "0,1,2,3," {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestMoreMessagesThanAreSettledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout = out })
		w.send(0, PayloadOutput, "x")
		var want strings.Builder
		var acks []int64
		for i := range 3 * settleMost {
			text := fmt.Sprintf("%d %s\n", i, strings.Repeat("y", i*5))
			w.send(int64(i+1), PayloadOutput, text)
			want.WriteString(text)
			acks = append(acks, int64(i+1))
		}
		var got strings.Builder
		go func() {
			for text := range out.began {
				got.WriteString(text)
				out.may <- nil
			}
		}()
		w.wantAcks(append([]int64{0}, acks...)...)
		close(out.began)
		if got.String() != "x"+want.String() {
			t.Errorf("%d bytes differ from the %d that were sent", got.Len(), want.Len()+1)
		}
	})
}
