package lab

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func TestMain(m *testing.M) {
	Main()
	goleak.VerifyTestMain(m)
}

// quickAgent is an agent without the habits that take time.
var quickAgent = hclspec.Agent{Version: "3.3.0.0", MaxPayload: 1024, UTF8: true, DirectExec: true, KillDirectChild: true}

func webNodes(count int) *hclspec.Nodes {
	return &hclspec.Nodes{Label: "web", Count: count, Online: true, Tags: map[string]string{"Role": "web"}}
}

// startLab starts a lab that ends with the test, and fails the test if that
// leaves anything.
func startLab(t testing.TB, spec *hclspec.Lab, opts Options) *Lab {
	t.Helper()
	l, err := Start(context.Background(), spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
		if _, err := os.Stat(l.dir); !os.IsNotExist(err) {
			t.Errorf("the lab's directory %s is still there: %v", l.dir, err)
		}
	})
	return l
}

// signedCall is an API request as a client makes it; tests spoil what they
// want to see refused.
type signedCall struct {
	service, target, body string
	keyID, secret         string
	at                    time.Time
	edit                  func(*http.Request) // after signing
}

// send signs and sends c and returns the status and the answer.
func (l *Lab) send(t testing.TB, c signedCall) (int, map[string]any) {
	t.Helper()
	if c.keyID == "" {
		c.keyID, c.secret = l.Credentials()
	}
	if c.at.IsZero() {
		c.at = time.Now()
	}
	req, err := http.NewRequest("POST", l.Endpoint()+"/", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", c.target)
	signRequest(req, c)
	if c.edit != nil {
		c.edit(req)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.CACertPEM())
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		answer = map[string]any{"text": string(text)}
	}
	return resp.StatusCode, answer
}

// signRequest is the client's side of Signature Version 4, written apart from
// the verifier.
func signRequest(req *http.Request, c signedCall) {
	stamp := c.at.UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", stamp)
	digest := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	canonical := strings.Join([]string{
		"POST", "/", "",
		"content-type:application/x-amz-json-1.1",
		"host:" + req.URL.Host,
		"x-amz-date:" + stamp,
		"x-amz-target:" + c.target,
		"", "content-type;host;x-amz-date;x-amz-target", digest(c.body),
	}, "\n")
	scope := stamp[:8] + "/eu-west-1/" + c.service + "/aws4_request"
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	key := mac(mac(mac(mac([]byte("AWS4"+c.secret), stamp[:8]), "eu-west-1"), c.service), "aws4_request")
	sig := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+digest(canonical)))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.keyID+"/"+scope+
		", SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="+sig)
}

// ssm calls an SSM operation and wants it to succeed.
func (l *Lab) ssm(t testing.TB, operation string, input any) map[string]any {
	t.Helper()
	status, answer := l.try(t, operation, input)
	if status != 200 {
		t.Fatalf("%s(%v) = %d %v", operation, input, status, answer)
	}
	return answer
}

func (l *Lab) try(t testing.TB, operation string, input any) (int, map[string]any) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	return l.send(t, signedCall{service: "ssm", target: "AmazonSSM." + operation, body: string(body)})
}

// refused wants an operation to fail with an error code and a part of its text.
func (l *Lab) refused(t testing.TB, operation string, input any, code, text string) {
	t.Helper()
	status, answer := l.try(t, operation, input)
	message, _ := answer["message"].(string)
	if status != 400 || answer["__type"] != code || !strings.Contains(message, text) {
		t.Errorf("%s(%v) = %d %v\nwant 400 %s with %q", operation, input, status, answer, code, text)
	}
}

type object = map[string]any

func asJSON(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
