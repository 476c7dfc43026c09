package fleet

import (
	"math"
	"net/http"
	"testing"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// constant answers every call with as little work as possible, so that the
// client is what is measured.
type constant []byte

func (c constant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Write(c)
}

const sampleAnswer = `{"SessionId":"me-0123456789abcdef0","TokenValue":"AAEAAUxvcmVtIGlwc3VtIGRvbG9yIHNpdCBhbWV0",` +
	`"StreamUrl":"wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/me-0123456789abcdef0?role=publish_subscribe"}`

func benchmarkStart(b *testing.B, f *Fleet) {
	p := f.providers["aws"]
	call := plan.Call{Provider: "aws", Target: "i-0123456789abcdef0", Document: "AWS-StartNonInteractiveCommand",
		Parameters: map[string][]string{"command": {"uptime"}}, Reason: Reason("CHG-4711", "r", `session.x["i-0123456789abcdef0"]`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.startSession(b.Context(), p, call, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStartSession is one call without the network: the SDK's middleware,
// signing and JSON.
func BenchmarkStartSession(b *testing.B) {
	benchmarkStart(b, inMemory(b, constant(sampleAnswer), Options{StartRate: math.Inf(1)}))
}

// BenchmarkStartSessionOverLoopback has a warm connection and the server's work
// in it too.
func BenchmarkStartSessionOverLoopback(b *testing.B) {
	_, address := serve(b, constant(sampleAnswer))
	f := New(Options{Isolated: true, Region: "eu-west-1", EndpointURL: address, StartRate: math.Inf(1),
		Static: &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("s")}})
	defer f.Close()
	if err := f.Open(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	benchmarkStart(b, f)
}
