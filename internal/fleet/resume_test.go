package fleet

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// resumer answers ResumeSession and the upgrade request of a data channel.
type resumer struct {
	answer func(n int, accessKey string, w http.ResponseWriter)

	mu   sync.Mutex // protects what follows
	keys []string   // that the requests were signed with
}

func (s *resumer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ = strings.Cut(key, "/")
	s.mu.Lock()
	s.keys = append(s.keys, key)
	n := len(s.keys)
	s.mu.Unlock()
	s.answer(n, key, w)
}

func (s *resumer) signedWith() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.keys, " ")
}

// login writes the shared credentials file.
func login(t *testing.T, file, key string) {
	t.Helper()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = secret\n", key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// resumable is a line to the service by credentials from a file.
func resumable(t *testing.T, s http.Handler) (*line, string) {
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_PROFILE", "")
	login(t, file, "OLD")
	_, address := serve(t, s)
	f := New(Options{Region: "eu-west-1", EndpointURL: address})
	open(t, f, plan.Provider{Key: "aws", SignDataChannel: "on"})
	return &line{f: f, p: f.providers["aws"], id: "s-1",
		url: NewSecret("ws" + strings.TrimPrefix(address, "http") + "/v1/data-channel/s-1")}, file
}

func TestResumeRefreshesCredentialsThatAreRefused(t *testing.T) {
	for _, refusal := range []struct {
		status int
		code   string
		is     error
	}{
		{400, "ExpiredTokenException", channel.ErrBusy}, {400, "UnrecognizedClientException", channel.ErrBusy},
		{403, "Forbidden", channel.ErrRefused}, {400, "AccessDeniedException", channel.ErrRefused},
	} {
		t.Run(refusal.code, func(t *testing.T) {
			s := &resumer{answer: func(_ int, key string, w http.ResponseWriter) {
				if key == "OLD" {
					fail(w, refusal.status, refusal.code, "no")
					return
				}
				reply(w, map[string]any{"SessionId": "s-1", "TokenValue": "new-token"})
			}}
			l, file := resumable(t, s)

			// Nobody has logged in again yet.
			_, err := l.resume(t.Context())
			if !errors.Is(err, refusal.is) || errors.Is(err, channel.ErrSessionOver) || !strings.Contains(err.Error(), refusal.code) {
				t.Errorf("with old credentials: %v", err)
			}
			login(t, file, "NEW")
			l.p.keys.mu.Lock()
			l.p.keys.renewed = time.Time{} // long ago
			l.p.keys.mu.Unlock()
			if token, err := l.resume(t.Context()); err != nil || token != "new-token" {
				t.Fatalf("got %q, %v", token, err)
			}
			if token, err := l.resume(t.Context()); err != nil || token != "new-token" {
				t.Fatalf("got %q, %v", token, err)
			}
			if got := s.signedWith(); got != "OLD OLD OLD NEW NEW" {
				t.Errorf("requests were signed with %s", got)
			}
		})
	}
}

// An isolated Fleet has its one key pair, and asks again with that.
func TestAnIsolatedFleetIsRefusedAndAsksAgain(t *testing.T) {
	s := &resumer{answer: func(n int, _ string, w http.ResponseWriter) {
		if n == 1 {
			fail(w, 400, "ExpiredTokenException", "no")
			return
		}
		reply(w, map[string]any{"SessionId": "s-1", "TokenValue": "again"})
	}}
	f := inMemory(t, s, Options{})
	l := &line{f: f, p: f.providers["aws"], id: "s-1"}
	if token, err := l.resume(t.Context()); err != nil || token != "again" {
		t.Errorf("got %q, %v", token, err)
	}
	f.Close()
}

func TestASignedDataChannelRefreshesCredentials(t *testing.T) {
	s := &resumer{answer: func(_ int, key string, w http.ResponseWriter) {
		w.WriteHeader(map[string]int{"OLD": 403, "NEW": 500}[key])
	}}
	l, file := resumable(t, s)
	login(t, file, "NEW")
	_, err := l.dial(t.Context())
	if refused, ok := errors.AsType[*channel.DialError](err); !ok || refused.Status != 500 || s.signedWith() != "OLD NEW" {
		t.Errorf("got %v, signed with %s", err, s.signedWith())
	}
}

func TestResumeTellsAnEndFromARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		is     error
		says   string
	}{
		"gone":       {func(w http.ResponseWriter) { fail(w, 400, "DoesNotExistException", "") }, channel.ErrSessionOver, "DoesNotExistException"},
		"terminated": {func(w http.ResponseWriter) { fail(w, 400, "BadRequest", "Session is already terminated") }, channel.ErrSessionOver, "already terminated"},
		"no such":    {func(w http.ResponseWriter) { fail(w, 400, "InvalidSessionId", "") }, channel.ErrSessionOver, "InvalidSessionId"},
		"throttled":  {func(w http.ResponseWriter) { fail(w, 400, "ThrottlingException", "Rate exceeded") }, channel.ErrBusy, "Rate exceeded"},
		"no token":   {func(w http.ResponseWriter) { reply(w, map[string]any{"SessionId": "s-1"}) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &resumer{answer: func(_ int, _ string, w http.ResponseWriter) { c.answer(w) }}
			l, _ := resumable(t, s)
			token, err := l.resume(t.Context())
			if token != "" || !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
}

// A service that takes connections and says nothing.
func TestACallHasADeadlineForEachLayer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for scheme, layer := range map[string]channel.Layer{"http": "an answer to ResumeSession", "https": channel.LayerTLS} {
		t.Run(scheme, func(t *testing.T) {
			f := New(Options{Isolated: true, Region: "eu-west-1", EndpointURL: scheme + "://" + silent.Addr().String(),
				Static:         &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("s")},
				ConnectTimeout: 100 * time.Millisecond, ReadTimeout: 100 * time.Millisecond})
			open(t, f, plan.Provider{Key: "aws"})
			start := time.Now()
			l := &line{f: f, p: f.providers["aws"], id: "s-1"}
			_, err := l.resume(t.Context())
			timeout, ok := errors.AsType[*channel.TimeoutError](err)
			if !ok || timeout.Layer != layer || timeout.Peer != silent.Addr().String() || timeout.After < 90*time.Millisecond {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		})
	}
}
