package channel

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is one line of a file in testdata/vectors.
type recorded struct {
	Dir   string `json:"dir"`
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Hex   string `json:"hex"`
	Fault string `json:"fault"`

	Type        string      `json:"type"`
	Sequence    int64       `json:"seq"`
	PayloadType PayloadType `json:"payload_type"`
	PayloadLen  int         `json:"payload_len"`
	Flags       uint64      `json:"flags"`
}

func (r *recorded) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(r.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVector(t testing.TB, name string) []recorded {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "vectors", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []recorded
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line recorded
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func vectorNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".jsonl")
	}
	return files
}

func TestRecordedMessagesEncodeBackToTheSameBytes(t *testing.T) {
	messages := 0
	for _, name := range vectorNames(t) {
		for i, line := range readVector(t, name) {
			if line.Kind == "text" {
				checkOpen(t, name, i, line.Text)
				continue
			}
			messages++
			wire := line.bytes(t)
			m, err := ParseMessage(wire)
			if err != nil {
				t.Errorf("%s:%d: %v", name, i+1, err)
				continue
			}
			if got := AppendMessage(nil, &m); !bytes.Equal(got, wire) {
				t.Errorf("%s:%d: message\n got %x\nwant %x", name, i+1, got, wire)
			}
			got := recorded{Type: m.Type, Sequence: m.Sequence, PayloadType: m.PayloadType, PayloadLen: len(m.Payload), Flags: m.Flags}
			want := recorded{Type: line.Type, Sequence: line.Sequence, PayloadType: line.PayloadType, PayloadLen: line.PayloadLen, Flags: line.Flags}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:%d: fields (-want +got)\n%s", name, i+1, diff)
			}
			if name == "g-kms-nonint-separate" && m.PayloadType == PayloadExitCode {
				continue // encrypted
			}
			if again := encodeAgain(t, &m); again != nil && !bytes.Equal(again, m.Payload) {
				t.Errorf("%s:%d: payload\n got %s\nwant %s", name, i+1, again, m.Payload)
			}
		}
	}
	if messages < 500 {
		t.Errorf("only %d recorded messages", messages)
	}
	t.Logf("%d messages", messages)
}

func checkOpen(t *testing.T, name string, i int, text string) {
	t.Helper()
	open, err := ParseOpenDataChannel([]byte(text))
	if err != nil {
		t.Errorf("%s:%d: %v", name, i+1, err)
		return
	}
	got, err := json.Marshal(open)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%s:%d: open\n got %s\nwant %s", name, i+1, got, text)
	}
}

// encodeAgain decodes a payload to its type and encodes it back, nil when it
// is plain bytes.
func encodeAgain(t *testing.T, m *Message) []byte {
	t.Helper()
	var value any
	var err error
	switch m.Type {
	case TypeAcknowledge:
		a, err := ParseAcknowledge(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := scanAcknowledge(m.Payload); !ok {
			t.Errorf("the fast path refused %s", m.Payload)
		}
		return a.AppendJSON(nil)
	case TypeChannelClosed:
		value, err = ParseChannelClosed(m.Payload)
	case TypeAgentState:
		value, err = ParseAgentSessionState(m.Payload)
	case TypeInput, TypeOutput:
		switch m.PayloadType {
		case PayloadSize:
			value, err = ParseSize(m.Payload)
		case PayloadHandshakeRequest:
			value, err = ParseHandshakeRequest(m.Payload)
		case PayloadHandshakeResponse:
			value, err = ParseHandshakeResponse(m.Payload)
		case PayloadHandshakeComplete:
			value, err = ParseHandshakeComplete(m.Payload)
		case PayloadExitCode:
			code, err := ParseExitCode(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			return AppendExitCode(nil, code)
		case PayloadFlag:
			flag, err := ParseFlag(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			return AppendFlag(nil, flag)
		case PayloadEncChallengeRequest, PayloadEncChallengeResponse:
			value, err = ParseEncChallenge(m.Payload)
		default:
			return nil
		}
	default:
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNoFlippedBitIsBelieved: a payload with one wrong bit is never accepted,
// and a header with one wrong bit never makes a message with another payload.
func TestNoFlippedBitIsBelieved(t *testing.T) {
	for _, line := range readVector(t, "b3-nonint-separate-exit3") {
		if line.Kind != "binary" || line.Type == TypeStartPublication || line.Type == TypePausePublication {
			continue
		}
		wire := line.bytes(t)
		for bit := range 8 * len(wire) {
			wire[bit/8] ^= 1 << (bit % 8)
			m, err := ParseMessage(wire)
			if err == nil && (bit/8 >= payloadOffset || !bytes.Equal(m.Payload, line.bytes(t)[payloadOffset:])) {
				t.Fatalf("%s: bit %d", line.Type, bit)
			}
			wire[bit/8] ^= 1 << (bit % 8)
		}
	}
}
