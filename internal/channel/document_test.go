package channel

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// decodeAgain returns a decoder of examples, whose result is encoded again.
func decodeAgain[T any](parse func([]byte) (T, error)) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		v, err := parse(text)
		if err != nil {
			return nil, err
		}
		if ack, ok := any(v).(Acknowledge); ok {
			return ack.AppendJSON(nil), nil
		}
		return json.Marshal(v)
	}
}

func TestTheProtocolsExamplesAreRead(t *testing.T) {
	decoders := map[string]func([]byte) ([]byte, error){
		"OpenDataChannel":   decodeAgain(ParseOpenDataChannel),
		"Acknowledge":       decodeAgain(ParseAcknowledge),
		"AgentSessionState": decodeAgain(ParseAgentSessionState),
		"ChannelClosed":     decodeAgain(ParseChannelClosed),
		"Size":              decodeAgain(ParseSize),
		"HandshakeRequest":  decodeAgain(ParseHandshakeRequest),
		"HandshakeResponse": decodeAgain(ParseHandshakeResponse),
		"HandshakeComplete": decodeAgain(ParseHandshakeComplete),
		"EncChallenge":      decodeAgain(ParseEncChallenge),
		"KMSParameters":     decodeAgain(ParseKMSParameters),
		"KMSResult":         decodeAgain(ParseKMSResult),
		"PortProperties":    decodeAgain(ParsePortProperties),
	}
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```json(.*?)\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		name, text := strings.TrimSpace(block[1]), block[2]
		decode, ok := decoders[name]
		if !ok {
			t.Errorf("an example of %q, for which there is no decoder here:\n%s", name, text)
			continue
		}
		shown[name] = true
		again, err := decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v:\n%s", name, err, text)
		} else if string(again) != text {
			t.Errorf("%s:\n got %s\nwant %s", name, again, text)
		}
	}
	for name := range decoders {
		if !shown[name] {
			t.Errorf("%s has no example", name)
		}
	}
}

// TestTheProtocolsTablesAreTrue compares the offsets and numbers that the
// document's tables state with the code's.
func TestTheProtocolsTablesAreTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Config{SessionID: "s", Token: "t", Dial: func(context.Context) (Transport, error) { return nil, nil }}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for want, is := range map[string]bool{
		"| 4 | 32 | type |":                          typeOffset == 4 && schemaOffset == 36,
		"| 40 | 8 | created |":                       createdOffset == 40,
		"| 48 | 8 | sequence number |":               sequenceOffset == 48,
		"| 56 | 8 | flags |":                         flagsOffset == 56,
		"| 64 | 16 | id |":                           idOffset == 64,
		"| 80 | 32 | digest |":                       digestOffset == 80,
		"| 112 | 4 | payload type |":                 payloadTypeOffset == 112,
		"| 116 | 4 | payload length |":               headerLength == 116 && payloadOffset == 120,
		"client 256, agent 4,096":                    clientWindow == 256 && AgentConfig{}.withDefaults().Queue == 4096,
		"10,000, and 16 MiB":                         maxEarlyMessages == 10_000 && maxEarlyBytes == 16<<20,
		"client the 16 oldest":                       clientBurst == 16,
		"eight in a row end the session":             maxCorruptRow == 8,
		"at most 68 KiB and 120 bytes":               readLimit == 68<<10+120,
		"at most 32 levels deep":                     maxDepth == 32,
		"at most 16 actions":                         maxActions == 16,
		"names have at most 64 bytes":                maxName == 64,
		"`OpenTimeout`, 30 s":                        cfg.OpenTimeout.String() == "30s",
		"`StartTimeout`, 60 s":                       cfg.StartTimeout.String() == "1m0s",
		"`Quiet`, 3 s":                               cfg.Quiet.String() == "3s" && quietUnannounced == 3,
		"`HandshakeTimeout`, 30 s":                   cfg.HandshakeTimeout.String() == "30s",
		"`DrainTimeout`, 10 s":                       cfg.DrainTimeout.String() == "10s",
		"`channel_closed` | 1 s |":                   gapTimeout.String() == "1s",
		"`ResumeTimeout`, 2 min":                     cfg.ResumeTimeout.String() == "2m0s",
		"a ping every 30 s, and 15 s for the answer": defaultPing.String() == "30s" && defaultPong.String() == "15s",
		"`UpgradeTimeout`, 10 s each":                defaultDialTimeout.String() == "10s",
		"`WriteTimeout`, 15 s":                       defaultWriteTimeout.String() == "15s",
		"`CallTimeout`, 10 s":                        cfg.CallTimeout.String() == "10s",
		"A hundred pings at once, ten a second":      pingBurst == 100 && pingRate == 10,
		"We name 1.2.677.0":                          DefaultClientVersion == "1.2.677.0",
		"above " + agentTerminates:                   true,
		"above " + agentMultiplexes:                  true,
		"above " + agentNeedsNoNOP:                   true,
		"from " + clientMultiplexes:                  true,
		"above " + clientNeedsNoNOP:                  true,
	} {
		if !is || !strings.Contains(string(page), want) {
			t.Errorf("%q is not what the code has, or is not in the document", want)
		}
	}
}
