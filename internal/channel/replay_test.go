package channel

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// replay plays the agent's and the service's side of a recorded session to a
// client, message by message, as often as deliver says, whatever the client
// answers.
func replay(t *testing.T, name string, deliver func(line recorded) int, change ...func(*Config)) (stdout, stderr string, stats Stats, result error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, service := Pipe()
		var out, errs recorder
		cfg := Config{
			SessionID: "s-1", Token: "token", Stdout: &out, Stderr: &errs,
			Dial: func(context.Context) (Transport, error) { return client, nil },
		}
		for _, f := range change {
			f(&cfg)
		}
		s, err := Connect(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, err := service.ReadFrame(); err != nil {
					return
				}
			}
		}()
		var held []Frame
		for _, line := range readVector(t, name) {
			if line.Kind != "binary" || line.Dir != "agent->client" && line.Dir != "service->client" || line.Type == TypeAcknowledge {
				continue
			}
			wire, err := hex.DecodeString(line.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if line.Fault == "held" {
				held = append(held, Frame{Data: wire})
				continue
			}
			if line.Dir == "agent->client" {
				held = append([]Frame{{Data: wire}}, held...) // it overtakes
			} else {
				held = append(held, Frame{Data: wire})
			}
			for _, frame := range held {
				for range deliver(line) {
					service.WriteFrame(frame)
				}
			}
			held = nil
			synctest.Wait()
		}
		result = s.Wait(within(t, time.Minute))
		service.Close()
		s.Close()
		stdout, stderr, stats = out.String(), errs.String(), s.Stats()
	})
	return stdout, stderr, stats, result
}

func once(recorded) int { return 1 }

func TestReplayOfSeparateOutput(t *testing.T) {
	stdout, stderr, _, err := replay(t, "b3-nonint-separate-exit3", once)
	wantExit(t, err, 3)
	if stdout != "uid=0(root) gid=0(root) groups=0(root)\n" || stderr != "err\n" {
		t.Errorf("got %q and %q", stdout, stderr)
	}
}

func TestReplayOfACommandThatDoesNotExist(t *testing.T) {
	stdout, stderr, stats, err := replay(t, "b5-nonint-notfound-separate", once)
	wantExit(t, err, 1)
	if want := `exec: "nosuchcmd": executable file not found in $PATH`; stdout != "" || stderr != want {
		t.Errorf("got %q and %q", stdout, stderr)
	}
	if stats.Duplicates == 0 {
		t.Error("the recorded agent sent again, and nobody noticed")
	}
}

func TestReplayOfAnInteractiveCommand(t *testing.T) {
	stdout, _, _, err := replay(t, "c-interactive", once)
	if missing := wantMissing(t, err); missing.Cause != nil || missing.Gap {
		t.Errorf("got %v", missing)
	}
	if want := "uid=0(root) gid=0(root) groups=0(root)\r\nerr\r\n"; len(stdout) < len(want) || stdout[:len(want)] != want {
		t.Errorf("got %q", stdout)
	}
}

func TestReplayOfAResumedSessionLosesNothing(t *testing.T) {
	stdout, _, _, err := replay(t, "h-resume-after-cut", once)
	wantMissing(t, err)
	want := strings.ReplaceAll(numberedLines(60), "\n", "-abcdefghijklmnopqrstuvwxyz\r\n")
	if stdout != want {
		t.Errorf("got %q", stdout)
	}
}

// The relay of these recordings lost, doubled and held messages after it wrote
// them down: what it kept from the recorded client is kept from ours.
func faulted(line recorded) int {
	switch line.Fault {
	case "drop":
		return 0
	case "dup":
		return 2
	}
	return 1
}

// AWS's client printed 18 lines here and exited 0.
func TestReplayOfLostMessagesNamesTheGap(t *testing.T) {
	stdout, _, _, err := replay(t, "j-fault-drop", faulted)
	missing := wantMissing(t, err)
	if !missing.Gap || missing.MissingFrom != 20 || missing.MissingTo != 20 {
		t.Errorf("got %+v, want the gap 20 to 20", missing)
	}
	if want := numberedLines(18); stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}

func TestReplayOfDoubledAndHeldMessages(t *testing.T) {
	for _, name := range []string{"j-fault-dup", "j-fault-reord"} {
		stdout, _, stats, err := replay(t, name, faulted)
		wantExit(t, err, 5)
		if want := numberedLines(20); stdout != want {
			t.Errorf("%s: got %q, want %q", name, stdout, want)
		}
		if stats.Duplicates+stats.OutOfOrder == 0 {
			t.Errorf("%s: no fault was seen: %+v", name, stats)
		}
	}
}

func numberedLines(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "line-%d\n", i+1)
	}
	return text.String()
}
