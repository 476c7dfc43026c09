package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// recorded is a message of a recorded session that is not an acknowledgement.
type recorded struct {
	toClient bool
	frame    []byte
	message  channel.Message
}

// readVector reads a session that was recorded between AWS's programs; see the
// vectors' own README.
func readVector(t *testing.T, name string) []recorded {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "channel", "testdata", "vectors", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []recorded
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var line struct{ Dir, Kind, Hex string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		toClient := line.Dir == "agent->client" || line.Dir == "service->client"
		if line.Kind != "binary" || !toClient && line.Dir != "client->agent" {
			continue
		}
		frame, err := hex.DecodeString(line.Hex)
		if err != nil {
			t.Fatal(err)
		}
		m, err := channel.ParseMessage(frame)
		if err != nil {
			t.Fatal(err)
		}
		if m.Type != channel.TypeAcknowledge {
			out = append(out, recorded{toClient, frame, m})
		}
	}
	return out
}

// agentByHand plays the agent's side of a recording to our client. before is
// called ahead of each recorded message of the client's, which our client then
// must send byte for byte; messages that were sent twice count once.
func agentByHand(t *testing.T, service channel.Transport, script []recorded, before func(m channel.Message)) {
	t.Helper()
	expected := int64(0)
	for _, line := range script {
		if line.toClient {
			service.WriteFrame(channel.Frame{Data: line.frame})
			continue
		}
		if line.message.Sequence < expected {
			continue
		}
		expected++
		before(line.message)
		for {
			frame, err := service.ReadFrame()
			if err != nil {
				t.Errorf("message %d did not come: %v", line.message.Sequence, err)
				return
			}
			if frame.Text {
				continue
			}
			got, err := channel.ParseMessage(frame.Data)
			if err != nil {
				t.Error(err)
				return
			}
			if got.Type == channel.TypeAcknowledge || got.Sequence < line.message.Sequence {
				continue
			}
			if got.PayloadType != line.message.PayloadType || !bytes.Equal(got.Payload, line.message.Payload) {
				t.Errorf("message %d is type %d %q, recorded was type %d %q", got.Sequence,
					got.PayloadType, got.Payload, line.message.PayloadType, line.message.Payload)
			}
			ack := channel.Acknowledge{Type: got.Type, ID: got.ID, Sequence: got.Sequence, Sequential: true}
			service.WriteFrame(channel.Frame{Data: channel.AppendMessage(nil, &channel.Message{
				Type: channel.TypeAcknowledge, CreatedDate: 1, Payload: ack.AppendJSON(nil)})})
			break
		}
	}
}

func connectByHand(t *testing.T) (*channel.Session, channel.Transport) {
	t.Helper()
	client, service := channel.Pipe()
	s, err := channel.Connect(context.Background(), channel.Config{SessionID: "s-1", Token: "t", TakePort: true,
		Dial: func(context.Context) (channel.Transport, error) { return client, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, service
}

// drainRest reads what the client sends behind the script, so that it is not
// held up, until the connection ends.
func drainRest(service channel.Transport) {
	for {
		if _, err := service.ReadFrame(); err != nil {
			return
		}
	}
}

const page = "\r\n\r\nhello-from-http\n"

func TestReplayOfTwoMultiplexedConnections(t *testing.T) {
	s, service := connectByHand(t)
	listener := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- Forward(ctx, s, listener, Options{Linger: 10 * time.Millisecond}) }()
	var conn net.Conn
	var answers [2]bytes.Buffer
	done := make(chan struct{}, 2)
	opened := 0
	agentByHand(t, service, readVector(t, "d-portforward-http"), func(m channel.Message) {
		switch {
		case m.PayloadType == channel.PayloadFlag:
			cancel()
		case m.PayloadType != channel.PayloadOutput:
		case m.Payload[1] == 0: // SYN
			conn = listener.dial()
			answer := &answers[opened]
			opened++
			second := opened == 2
			go func(c net.Conn) {
				defer func() { c.Close(); done <- struct{}{} }()
				for buf := make([]byte, 4<<10); ; {
					n, err := c.Read(buf)
					answer.Write(buf[:n])
					if err != nil || second && bytes.HasSuffix(answer.Bytes(), []byte(page)) {
						return // the second time curl knew that it had all
					}
				}
			}(conn)
		case m.Payload[1] == 2: // PSH
			if _, err := conn.Write(m.Payload[8:]); err != nil {
				t.Error(err)
			}
		case m.Payload[1] == 1: // FIN
			<-done
		}
	})
	service.Close()
	drainRest(service)
	if err := <-result; err != nil {
		t.Error(err)
	}
	for i, answer := range answers {
		if !bytes.HasPrefix(answer.Bytes(), []byte("HTTP/1.0 200 OK\r\n")) || !bytes.HasSuffix(answer.Bytes(), []byte(page)) {
			t.Errorf("answer %d is %q", i+1, &answer)
		}
	}
}

// play runs Stdio against a recording.
func play(t *testing.T, name, input string) (output string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, service := connectByHand(t)
		in, typist := io.Pipe()
		var out bytes.Buffer
		result := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { result <- Stdio(ctx, s, in, &out, Options{}) }()
		agentByHand(t, service, readVector(t, name), func(m channel.Message) {
			if m.PayloadType == channel.PayloadOutput {
				go io.WriteString(typist, input)
			}
		})
		go drainRest(service)
		synctest.Wait()
		cancel()
		err = <-result
		output = out.String()
		typist.Close()
		service.Close()
	})
	return output, err
}

func TestReplayOfPlainStreams(t *testing.T) {
	for name, want := range map[string][2]string{ // what is typed, what comes
		"e-ssh-stdin-eof":      {"SSH-2.0-lab\r\nhello\n", "SSH-2.0-lab\r\nhello\n"},
		"e2-ssh-server-closes": {"SSH-2.0-lab\r\n", "SSH-2.0-labserver\r\ngot SSH-2.0-lab\r\n"},
	} {
		if got, err := play(t, name, want[0]); err != nil || got != want[1] {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestReplayOfARefusedPlainStream(t *testing.T) {
	var ended *EndedError
	if got, err := play(t, "e3-ssh-connrefused", ""); !errors.As(err, &ended) || !ended.Silent || ended.Port != "18099" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReplayOfATerminatedForwarding(t *testing.T) {
	s, service := connectByHand(t)
	result := make(chan error, 1)
	go func() { result <- Forward(t.Context(), s, newMemory(), Options{}) }()
	agentByHand(t, service, readVector(t, "f-terminate-session-port"), func(channel.Message) {})
	var ended *EndedError
	if err := <-result; !errors.As(err, &ended) || ended.Silent || ended.Output != "" {
		t.Errorf("got %v", err)
	}
	service.Close()
}
