package channel

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
)

// What was accepted is acknowledged before anything is waited for. In these tests
// a write holds the session while messages gather behind it.

func TestTheLastMessagesAreAcknowledged(t *testing.T) {
	for name, last := range map[string]func(w *wire){
		"channel closed":  func(w *wire) { w.close("") },
		"hostile message": func(w *wire) { w.sendRaw([]byte("no message")) },
	} {
		synctest.Test(t, func(t *testing.T) {
			out := newGatedWriter()
			w := byHand(t, func(c *Config) { c.Stdout = out })
			w.send(0, PayloadOutput, "a")
			w.send(1, PayloadOutput, "b")
			w.send(3, PayloadOutput, "d")
			w.send(2, PayloadOutput, "c")
			last(w)
			out.may <- nil
			w.wantAcks(0)
			out.may <- nil
			w.wantAcks(1, 3, 2)
			if !isClosed(w.s.Done()) {
				t.Errorf("%s: the session goes on", name)
			}
		})
	}
}

func TestAGapThatIsFilledAfterTheEndIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t)
		w.send(1, PayloadExitCode, "EXIT_CODE: 3")
		w.wantAcks(1)
		w.close("")
		w.send(0, PayloadOutput, "late")
		w.wantAcks(0)
		wantExit(t, w.s.Wait(within(t, lastWords)), 3)
	})
}

func TestOneWriterKeepsNoAcknowledgementOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, errs := newGatedWriter(), newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout, c.Stderr = out, errs })
		w.send(0, PayloadOutput, "hold")
		w.send(1, PayloadOutput, "out")
		w.send(2, PayloadStdErr, "err")
		out.may <- nil
		w.wantAcks(0)
		out.may <- nil
		w.wantAcks(1) // stderr waits for its reader
		errs.may <- nil
		w.wantAcks(2)
	})
}

func TestTheExitCodeShowsBehindItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout = out })
		w.send(0, PayloadOutput, "hold")
		w.send(1, PayloadOutput, "out")
		w.send(2, PayloadExitCode, "EXIT_CODE: 0")
		out.may <- nil
		synctest.Wait()
		if _, ok := w.s.ExitCode(); ok {
			t.Error("the exit code shows before the output was written")
		}
		out.may <- nil
		w.wantAcks(0, 1, 2)
		if _, ok := w.s.ExitCode(); !ok {
			t.Error("no exit code")
		}
	})
}

func TestAFullPortKeepsNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := byHand(t, takePort)
		w.send(0, PayloadHandshakeRequest, requestPort)
		w.send(1, PayloadHandshakeComplete, completed)
		w.wantAcks(0, 1)
		p, err := w.s.Port(within(t, lastWords))
		if err != nil {
			t.Fatal(err)
		}
		half := string(bytes.Repeat([]byte("x"), inletLimit/2))
		for n := range int64(3) {
			w.send(2+n, PayloadOutput, half)
		}
		w.wantAcks(2, 3) // the reader has room for no more
		for n := range int64(3) {
			w.send(5+n, PayloadOutput, half)
		}
		b := make([]byte, inletLimit)
		if n, err := p.Read(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		w.wantAcks(4, 5) // which gathered, and 6 waits
		if n, err := p.Read(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		w.wantAcks(6, 7)
	})
}

func TestAConnectionThatIsGoneLosesNoOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGatedWriter()
		w := byHand(t, func(c *Config) { c.Stdout = out })
		w.send(0, PayloadOutput, "hold")
		w.send(1, PayloadOutput, "last")
		w.service.Close()
		out.may <- nil
		out.may <- nil
		err := w.s.Wait(within(t, lastWords))
		if missing := wantMissing(t, err); missing.Gap || !errors.As(err, new(*lostError)) {
			t.Errorf("ended with %v", err)
		}
		if a, b := <-out.began, <-out.began; a != "hold" || b != "last" {
			t.Errorf("wrote %q and %q", a, b)
		}
	})
}
