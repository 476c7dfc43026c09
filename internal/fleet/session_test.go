package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// gateway serves the API and, at /v1/data-channel/, the agent's end of a
// NonInteractiveCommands session that says hello and exits 7.
type gateway struct {
	*service
	tokens chan string // of the clients that came
	auths  chan string // and their Authorization headers
	signed bool        // unsigned upgrade requests are refused
}

func newGateway() *gateway {
	return &gateway{service: &service{}, tokens: make(chan string, 10), auths: make(chan string, 10)}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/v1/data-channel/") {
		g.service.ServeHTTP(w, r)
		return
	}
	g.auths <- r.Header.Get("Authorization")
	if g.signed && r.Header.Get("Authorization") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	transport, err := channel.AcceptWebsocket(w, r)
	if err != nil {
		return
	}
	agent := channel.NewAgent(channel.AgentConfig{
		SessionID: strings.TrimPrefix(r.URL.Path, "/v1/data-channel/"), SessionType: channel.NonInteractiveCommands, Handshake: true,
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := agent.Ready(r.Context()); err == nil {
			agent.Stdout([]byte("hello"))
			agent.Exit(7)
			agent.Close("")
		}
	})
	agent.Attach(r.Context(), transport, func(open channel.OpenDataChannel) error {
		g.tokens <- open.TokenValue
		return nil
	})
	agent.Terminate("")
	wg.Wait()
}

func isolated(t *testing.T, endpoint string, log *bytes.Buffer, provider plan.Provider) *Fleet {
	t.Helper()
	opts := Options{Isolated: true, Region: "eu-west-1", EndpointURL: endpoint,
		Static: &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("canary-key")}}
	if log != nil {
		opts.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	f := New(opts)
	open(t, f, provider)
	return f
}

func TestStartOpensASession(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			g := newGateway()
			srv := httptest.NewUnstartedServer(g)
			if scheme == "http" {
				srv.Start()
			} else {
				srv.StartTLS()
				g.streamURL = "wss" + strings.TrimPrefix(srv.URL, "https") + "/v1/data-channel/me-0001"
			}
			defer srv.Close()
			f := New(Options{Isolated: true, Region: "eu-west-1", EndpointURL: srv.URL, NoVerifySSL: true,
				Static: &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("s")}})
			open(t, f, plan.Provider{Key: "aws", SignDataChannel: "on"})

			var out bytes.Buffer
			session, err := f.Start(t.Context(), plan.Call{Provider: "aws", Target: "i-1"}, Output{Stdout: &out}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err = session.Wait(ctx)
			if exit, ok := errors.AsType[*channel.ExitError](err); !ok || exit.Code != 7 || out.String() != "hello" {
				t.Errorf("got %v and %q", err, out.String())
			}
			if token := <-g.tokens; token != canaryToken {
				t.Errorf("token %q", token)
			}
			if auth := <-g.auths; !strings.Contains(auth, "/ssmmessages/aws4_request") {
				t.Errorf("the upgrade request is signed as %q", auth)
			}
		})
	}
}

func TestSignDataChannelAsTheProviderSays(t *testing.T) {
	for _, c := range []struct {
		setting string
		strict  bool   // the service wants signatures
		want    string // what each upgrade request of two sessions was: u unsigned, s signed
	}{{"on", false, "ss"}, {"off", false, "uu"}, {"off", true, "uu"}, {"auto", false, "uu"}, {"auto", true, "uss"}, {"", true, "uss"}} {
		t.Run(fmt.Sprint(c.setting, c.strict), func(t *testing.T) {
			g := newGateway()
			g.signed = c.strict
			_, address := serve(t, g)
			f := isolated(t, address, nil, plan.Provider{Key: "aws", SignDataChannel: c.setting, StartRate: 1000})
			for range 2 {
				session, err := f.Start(t.Context(), plan.Call{Provider: "aws", Target: "i-1"}, Output{}, nil)
				if (err != nil) != (c.strict && c.setting == "off") {
					t.Fatal(err)
				}
				if err == nil {
					session.Wait(t.Context())
					session.Close()
				}
			}
			got := ""
			for range len(g.auths) {
				if <-g.auths == "" {
					got += "u"
				} else {
					got += "s"
				}
			}
			if got != c.want {
				t.Errorf("upgrade requests were %s, want %s", got, c.want)
			}
		})
	}
}

// T1 and T8: the token goes nowhere else, and nothing quotes it.
func TestTokenIsNeitherSentElsewhereNorQuoted(t *testing.T) {
	other, otherURL := serve(t, http.NotFoundHandler())
	for _, c := range []struct{ name, stream, code string }{
		{"another port", "ws" + strings.TrimPrefix(otherURL, "http") + "/v1/canary-url", CodeStreamURL},
		{"another host", "wss://evil.example/v1/canary-url", CodeStreamURL},
		{"not a URL", "wss://canary-url/%zz", CodeStreamURL},
		{"no data channel there", "", CodeConnect},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &service{streamURL: c.stream}
			_, address := serve(t, s)
			if c.stream == "" {
				s.streamURL = "ws" + strings.TrimPrefix(address, "http") + "/canary-url"
			}
			var log bytes.Buffer
			f := isolated(t, address, &log, plan.Provider{Key: "aws"})
			_, err := f.Start(t.Context(), plan.Call{Provider: "aws", Target: "i-1"}, Output{}, nil)
			startErr, ok := errors.AsType[*StartError](err)
			if !ok || startErr.Code != c.code || startErr.SessionID != "me-0001" || startErr.Ambiguous() {
				t.Fatalf("got %+v", err)
			}
			if len(s.open()) != 0 {
				t.Errorf("session is still open")
			}
			seen := fmt.Sprintf("%v %+v %#v %s", err, err, err, log.String())
			for ; err != nil; err = errors.Unwrap(err) {
				seen += fmt.Sprintf(" %v %+v", err, err)
			}
			if strings.Contains(seen, "canary") {
				t.Errorf("a secret is in: %s", seen)
			}
			if !strings.Contains(log.String(), "operation=StartSession") {
				t.Errorf("the log says nothing of the call: %s", log.String())
			}
		})
	}
	if len(other.hosts) != 0 {
		t.Errorf("%d requests went to the other port", len(other.hosts))
	}
}

func TestConnectFailureIsAmbiguousWhenTheCommandTravelsInTheCall(t *testing.T) {
	s := &service{documents: map[string]string{
		"Shell":       `{"sessionType":"Standard_Stream"}`,
		"NonInter":    `{"sessionType":"NonInteractiveCommands"}`,
		"Interactive": `{"sessionType":"InteractiveCommands"}`,
	}}
	_, address := serve(t, s)
	f := isolated(t, address, nil, plan.Provider{Key: "aws"})
	for name := range s.documents {
		if _, err := f.Documents(t.Context(), []plan.DocumentRef{{Provider: "aws", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	params := map[string][]string{"command": {"reboot"}}
	for _, c := range []struct {
		call plan.Call
		want bool
	}{
		{plan.Call{}, false},
		{plan.Call{Document: "Shell", Parameters: params}, false},
		{plan.Call{Document: "NonInter", Parameters: params}, false},
		{plan.Call{Document: "Interactive"}, true},
		{plan.Call{Document: "NotRead", Parameters: params}, true},
		{plan.Call{Document: "NotRead"}, false},
	} {
		if got := f.providers["aws"].runsAlone(c.call); got != c.want {
			t.Errorf("%+v: %v, want %v", c.call, got, c.want)
		}
	}
}
