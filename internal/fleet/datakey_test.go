package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// vault serves the API with KMS in it, and the agent's end of encrypted sessions
// that say hello and exit 7.
type vault struct {
	*service
	keyID string // that agents name; "" does not ask for encryption
	code  string // of KMS's refusal; "" refuses nothing

	mu    sync.Mutex // protects what follows
	asked map[string]any
	bound map[string]string // encryption context of the last data key
	auth  string            // Authorization of the last call to KMS
	key   []byte
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/data-channel/"):
		v.serveAgent(w, r)
	case r.Header.Get("X-Amz-Target") == "TrentService.GenerateDataKey":
		v.generate(w, r)
	default:
		v.service.ServeHTTP(w, r)
	}
}

func (v *vault) generate(w http.ResponseWriter, r *http.Request) {
	var in struct {
		KeyId             string
		NumberOfBytes     int
		EncryptionContext map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || v.code != "" {
		fail(w, 400, v.code, "no key for you")
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked, v.bound, v.auth = map[string]any{"KeyId": in.KeyId}, in.EncryptionContext, r.Header.Get("Authorization")
	v.key = bytes.Repeat([]byte("canary-k"), in.NumberOfBytes/8)
	reply(w, map[string]any{"KeyId": "arn:key", "Plaintext": v.key, "CiphertextBlob": []byte("sealed")})
}

func (v *vault) decrypt(_ context.Context, _ string, _ []byte, bound map[string]string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !maps.Equal(bound, v.bound) {
		return nil, fmt.Errorf("bound to %v, not %v", v.bound, bound)
	}
	return bytes.Clone(v.key), nil
}

func (v *vault) serveAgent(w http.ResponseWriter, r *http.Request) {
	transport, err := channel.AcceptWebsocket(w, r)
	if err != nil {
		return
	}
	cfg := channel.AgentConfig{SessionID: strings.TrimPrefix(r.URL.Path, "/v1/data-channel/"),
		SessionType: channel.NonInteractiveCommands, Handshake: true}
	if v.keyID != "" {
		cfg.Encryption = &channel.AgentEncryption{KeyID: v.keyID, TargetID: "i-1", Decrypt: v.decrypt, RequireChallengeResponse: true}
	}
	agent := channel.NewAgent(cfg)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := agent.Ready(r.Context()); err == nil {
			agent.Stdout([]byte("hello"))
			agent.Exit(7)
			agent.Close("")
		}
	})
	agent.Attach(r.Context(), transport, nil)
	agent.Terminate("")
	wg.Wait()
}

func TestSessionsAreEncryptedWithADataKeyOfKMS(t *testing.T) {
	for _, c := range []struct {
		name     string
		vault    *vault
		provider plan.Provider
		call     plan.Call
		key      string // that KMS was asked for
		want     string // of the error; "" is exit code 7
	}{
		{name: "as the agent asks", vault: &vault{keyID: "alias/a"}, key: "alias/a"},
		{name: "not asked, not required", vault: &vault{}},
		{name: "pinned by the provider", vault: &vault{keyID: "alias/a"}, provider: plan.Provider{RequireEncryption: true, KMSKeyID: "alias/a"}, key: "alias/a"},
		{name: "pinned by the session", vault: &vault{keyID: "alias/a"}, provider: plan.Provider{KMSKeyID: "alias/b"},
			call: plan.Call{RequireEncryption: true, KMSKeyID: "alias/a"}, key: "alias/a"},
		{name: "another key", vault: &vault{keyID: "alias/a"}, provider: plan.Provider{KMSKeyID: "alias/b"}, want: `names the key "alias/a"`},
		{name: "required by the provider", vault: &vault{}, provider: plan.Provider{RequireEncryption: true}, want: "required"},
		{name: "required by the session", vault: &vault{}, call: plan.Call{RequireEncryption: true}, want: "required"},
		{name: "refused by KMS", vault: &vault{keyID: "alias/a", code: "DisabledException"}, want: "DisabledException: no key for you (the KMS key is disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.vault.service = &service{}
			_, address := serve(t, c.vault)
			var log bytes.Buffer
			c.provider.Key, c.call.Provider, c.call.Target = "aws", "aws", "i-1"
			f := isolated(t, address, &log, c.provider)
			var out bytes.Buffer
			session, err := f.Start(t.Context(), c.call, Output{Stdout: &out}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err = session.Wait(ctx)
			if strings.Contains(log.String(), "canary") || err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the data key is in the log or the error: %v\n%s", err, log.String())
			}
			if c.want != "" {
				refused, ok := errors.AsType[*channel.EncryptionError](err)
				if !ok || !strings.Contains(refused.Error(), c.want) || out.Len() > 0 {
					t.Errorf("ended with %v, want %q", err, c.want)
				}
				return
			}
			exit, ok := errors.AsType[*channel.ExitError](err)
			if !ok || exit.Code != 7 || out.String() != "hello" || session.Encrypted() != (c.vault.keyID != "") {
				t.Errorf("got %v and %q, encrypted %v", err, out.String(), session.Encrypted())
			}
			if c.key == "" {
				return
			}
			if c.vault.asked["KeyId"] != c.key || !strings.Contains(c.vault.auth, "/eu-west-1/kms/aws4_request") {
				t.Errorf("KMS was asked for %v, signed %q", c.vault.asked, c.vault.auth)
			}
			if c.vault.bound["aws:ssm:SessionId"] != session.ID() || c.vault.bound["aws:ssm:TargetId"] != "i-1" || c.vault.bound["aws:ssm:RandomChallenge"] == "" {
				t.Errorf("bound to %v", c.vault.bound)
			}
		})
	}
}
