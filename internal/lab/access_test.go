package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func TestSignaturesAreChecked(t *testing.T) {
	l := startLab(t, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}, Agent: quickAgent}, Options{})
	id, secret := l.Credentials()
	good := signedCall{service: "ssm", target: "AmazonSSM.DescribeInstanceInformation", body: "{}"}
	tests := []struct {
		name  string
		spoil func(c *signedCall)
		want  string // error code; "" is success
	}{
		{"right", func(*signedCall) {}, ""},
		{"another secret", func(c *signedCall) { c.keyID, c.secret = id, secret+"x" }, "InvalidSignatureException"},
		{"another key id", func(c *signedCall) { c.keyID, c.secret = "AKIAAAAAAAAAAAAAAAAA", secret }, "UnrecognizedClientException"},
		{"unsigned", func(c *signedCall) { c.edit = func(r *http.Request) { r.Header.Del("Authorization") } }, "MissingAuthenticationTokenException"},
		{"not SigV4", func(c *signedCall) { c.edit = func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") } }, "IncompleteSignatureException"},
		{"another body", func(c *signedCall) {
			c.edit = func(r *http.Request) {
				r.Body = http.NoBody
				r.ContentLength = 0
			}
		}, "InvalidSignatureException"},
		{"another target", func(c *signedCall) {
			c.edit = func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSSM.TerminateSession") }
		}, "InvalidSignatureException"},
		{"an unsigned x-amz header", func(c *signedCall) {
			c.edit = func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }
		}, "InvalidSignatureException"},
		{"a session token", func(c *signedCall) {
			c.edit = func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }
		}, "UnrecognizedClientException"},
		{"too old", func(c *signedCall) { c.at = time.Now().Add(-6 * time.Minute) }, "InvalidSignatureException"},
		{"from the future", func(c *signedCall) { c.at = time.Now().Add(6 * time.Minute) }, "InvalidSignatureException"},
		{"a little late", func(c *signedCall) { c.at = time.Now().Add(-4 * time.Minute) }, ""},
		{"another service", func(c *signedCall) { c.service = "ec2" }, "InvalidSignatureException"},
		{"no such operation", func(c *signedCall) { c.target = "AmazonSSM.SendCommand" }, "UnknownOperationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.spoil(&c)
			status, answer := l.send(t, c)
			if tt.want == "" {
				if status != 200 {
					t.Errorf("got %d %v, want 200", status, answer)
				}
				return
			}
			if status != 400 || answer["__type"] != tt.want {
				t.Errorf("got %d %v, want 400 %s", status, answer, tt.want)
			}
		})
	}
}

func TestForeignHostAndOriginAreRefused(t *testing.T) {
	l := startLab(t, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}, Agent: quickAgent}, Options{})
	port := l.Endpoint()[strings.LastIndexByte(l.Endpoint(), ':'):]
	tests := []struct {
		name string
		edit func(r *http.Request)
		want int
	}{
		{"a name that resolves here", func(r *http.Request) { r.Host = "rebound.example" + port }, 403},
		{"our address without the port", func(r *http.Request) { r.Host = "127.0.0.1" }, 403},
		{"a foreign origin", func(r *http.Request) { r.Header.Set("Origin", "https://rebound.example") }, 403},
		{"our own origin", func(r *http.Request) { r.Header.Set("Origin", l.Endpoint()) }, 403},
		{"null origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
	}
	for _, tt := range tests {
		for _, path := range []string{"/", dataChannelPath + "x?role=publish_subscribe"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				req, err := http.NewRequest("POST", l.Endpoint()+path, strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				tt.edit(req)
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != tt.want {
					t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
				}
			})
		}
	}
}

func TestLabListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense"} {
		l, err := Start(context.Background(), &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{Addr: addr})
		if err == nil {
			l.Close()
			t.Errorf("Start with address %q succeeded", addr)
		}
	}
}

func TestTLSIsSignedByTheLabsCA(t *testing.T) {
	l := startLab(t, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{TLS: true})
	if !strings.HasPrefix(l.Endpoint(), "https://127.0.0.1:") {
		t.Fatalf("endpoint %s, want https on loopback", l.Endpoint())
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(l.CACertPEM()) {
		t.Fatal("no certificate in CACertPEM")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Post(l.Endpoint(), "application/x-amz-json-1.1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("status %d, want 400: unsigned", resp.StatusCode)
	}
	if _, err := http.Get(l.Endpoint()); err == nil {
		t.Error("a client without the lab's CA trusted it")
	}
}

func TestCloseIsIdempotentAndFollowsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	l, err := Start(ctx, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(2)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if _, err := client.Get(l.Endpoint()); err == nil {
		t.Error("the server still answers after Close")
	}
}
