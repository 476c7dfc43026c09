package fleet

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// cleanEnv gives the test a home without AWS files and an environment without
// AWS variables, but for those given.
func cleanEnv(t *testing.T, vars map[string]string) (home string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it is put back
			os.Unsetenv(name)
		}
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "none"))
	for name, value := range vars {
		t.Setenv(name, value)
	}
	return home
}

func writeConfig(t *testing.T, home, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, ".aws", "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", path) // the SDK looked HOME up when the process began
}

// recorder remembers the requests that reach a handler.
type recorder struct {
	next http.Handler

	mu    sync.Mutex // protects what follows
	auths []string
	hosts []string
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec.mu.Lock()
	rec.auths = append(rec.auths, r.Header.Get("Authorization"))
	rec.hosts = append(rec.hosts, r.Host)
	rec.mu.Unlock()
	rec.next.ServeHTTP(w, r)
}

func serve(t testing.TB, handler http.Handler) (*recorder, string) {
	t.Helper()
	rec := &recorder{next: handler}
	srv := httptest.NewServer(rec)
	t.Cleanup(srv.Close)
	return rec, srv.URL
}

var keys = map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"}

func with(more ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range append(more, keys) {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func open(t *testing.T, f *Fleet, providers ...plan.Provider) {
	t.Helper()
	t.Cleanup(f.Close)
	if err := f.Open(t.Context(), providers); err != nil {
		t.Fatal(err)
	}
}

func findAll(t *testing.T, f *Fleet) error {
	t.Helper()
	_, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", Address: "targets.x"}})
	return err
}

func TestIsolatedReadsNoFileAndNoVariable(t *testing.T) {
	poison, poisonURL := serve(t, &service{})
	home := cleanEnv(t, with(map[string]string{
		"AWS_PROFILE": "nowhere", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": poisonURL, "AWS_ENDPOINT_URL_SSM": poisonURL,
		"AWS_ENDPOINT_URL_STS": poisonURL, "AWS_CA_BUNDLE": "/nonexistent", "AWS_USE_FIPS_ENDPOINT": "true",
		"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_MAX_ATTEMPTS": "nonsense", "AWS_RETRY_MODE": "nonsense",
		"HTTP_PROXY": poisonURL, "HTTPS_PROXY": poisonURL, "AWS_CONTAINER_CREDENTIALS_FULL_URI": poisonURL,
	}))
	marker := filepath.Join(home, "was-run")
	writeConfig(t, home, "[default]\nregion = us-east-2\ncredential_process = touch "+marker+"\nendpoint_url = "+poisonURL+"\n")

	rec, lab := serve(t, smallFleet())
	f := New(Options{Isolated: true, EndpointURL: lab, Region: "eu-west-1", Static: &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("s")}})
	open(t, f, plan.Provider{Key: "aws", Region: "ap-south-1", Profile: "prod", RoleARN: "arn:aws:iam::1:role/x"})
	if err := findAll(t, f); err != nil {
		t.Fatal(err)
	}
	if len(rec.auths) == 0 || !strings.Contains(rec.auths[0], "Credential=AKIALAB/") || !strings.Contains(rec.auths[0], "/ap-south-1/ssm/") {
		t.Errorf("signed as %q", rec.auths)
	}
	if len(poison.hosts) != 0 {
		t.Errorf("%d requests to what the environment says", len(poison.hosts))
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the credential process of the shared config file was run")
	}
}

func TestIsolatedNeedsEverything(t *testing.T) {
	f := New(Options{Isolated: true, Region: "eu-west-1"})
	if err := f.Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "needs an endpoint") {
		t.Errorf("got %v", err)
	}
}

func TestOpenErrorsSayWhatToSet(t *testing.T) {
	for _, c := range []struct {
		name     string
		env      map[string]string
		opts     Options
		provider plan.Provider
		want     string
	}{
		{"no region", keys, Options{}, plan.Provider{}, "provider aws: no region: set region in the provider block, -region, AWS_REGION"},
		{"no credentials", nil, Options{Region: "eu-west-1"}, plan.Provider{}, "provider aws: no AWS credentials: set -profile or AWS_PROFILE"},
		{"no such profile", keys, Options{Profile: "prod"}, plan.Provider{}, `provider aws: profile "prod" is not in the shared config files`},
		{"no such profile in the environment", with(map[string]string{"AWS_PROFILE": "dev"}), Options{}, plan.Provider{}, `profile "dev" is not in`},
		{"region for nobody", keys, Options{Region: "eu-west-1"}, plan.Provider{Region: "eu-west-2"},
			"-region=eu-west-1 would be ignored: every provider block sets its region to something else"},
		{"profile for nobody", keys, Options{Profile: "a"}, plan.Provider{Profile: "b"}, "-profile=a would be ignored"},
		{"bad endpoint", keys, Options{Region: "eu-west-1", EndpointURL: "localhost:80"}, plan.Provider{}, "endpoint URL: want http:// or https://"},
		{"bad CA bundle", keys, Options{Region: "eu-west-1", CABundle: os.DevNull}, plan.Provider{}, "no certificate in PEM form"},
		{"no CA bundle", keys, Options{Region: "eu-west-1", CABundle: "/nonexistent"}, plan.Provider{}, "read CA bundle: open /nonexistent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cleanEnv(t, c.env)
			c.provider.Key = "aws"
			f := New(c.opts)
			defer f.Close()
			err := f.Open(t.Context(), []plan.Provider{c.provider})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestEndpointComesFromFlagThenEnvironment(t *testing.T) {
	general, generalURL := serve(t, smallFleet())
	special, specialURL := serve(t, smallFleet())
	flag, flagURL := serve(t, smallFleet())
	for _, c := range []struct {
		env  map[string]string
		flag string
		want *recorder
	}{
		{map[string]string{"AWS_ENDPOINT_URL": generalURL}, "", general},
		{map[string]string{"AWS_ENDPOINT_URL": generalURL, "AWS_ENDPOINT_URL_SSM": specialURL}, "", special},
		{map[string]string{"AWS_ENDPOINT_URL": generalURL, "AWS_ENDPOINT_URL_SSM": specialURL}, flagURL, flag},
	} {
		cleanEnv(t, with(c.env))
		f := New(Options{EndpointURL: c.flag, Region: "eu-west-1"})
		open(t, f)
		before := len(c.want.hosts)
		if err := findAll(t, f); err != nil {
			t.Fatal(err)
		}
		if len(c.want.hosts) == before {
			t.Errorf("%v, flag %q: the request went elsewhere", c.env, c.flag)
		}
	}
}

func TestProfileAndRegionFromSharedConfig(t *testing.T) {
	rec, address := serve(t, smallFleet())
	home := cleanEnv(t, map[string]string{"AWS_ENDPOINT_URL": address})
	writeConfig(t, home, "[profile prod]\nregion = eu-central-1\naws_access_key_id = AKIAPROD\naws_secret_access_key = s\n")
	f := New(Options{})
	open(t, f, plan.Provider{Key: "aws", Profile: "prod"})
	if err := findAll(t, f); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rec.auths[0], "Credential=AKIAPROD/") || !strings.Contains(rec.auths[0], "/eu-central-1/") {
		t.Errorf("signed as %q", rec.auths[0])
	}
}

func TestAssumeRole(t *testing.T) {
	var asked url.Values
	_, sts := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "Action=AssumeRole") {
			w.WriteHeader(403) // who one is, nobody has to be told
			return
		}
		asked, _ = url.ParseQuery(string(body))
		fmt.Fprint(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
			<AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/ops/ssmrun</Arn><AssumedRoleId>AROA:ssmrun</AssumedRoleId></AssumedRoleUser>
			<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
			<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	rec, address := serve(t, smallFleet())
	cleanEnv(t, with(map[string]string{"AWS_ENDPOINT_URL_STS": sts, "AWS_ENDPOINT_URL_SSM": address}))
	f := New(Options{Region: "eu-west-1"})
	open(t, f, plan.Provider{Key: "aws", RoleARN: "arn:aws:iam::444455556666:role/ops", ExternalID: "x-1"})
	found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws"}})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Get("RoleArn") != "arn:aws:iam::444455556666:role/ops" || asked.Get("RoleSessionName") != "ssmrun" || asked.Get("ExternalId") != "x-1" {
		t.Errorf("asked for %v", asked)
	}
	if !strings.Contains(rec.auths[0], "Credential=ASIAROLE/") {
		t.Errorf("signed as %q", rec.auths[0])
	}
	if got := found[0].Targets[0].Account; got != "444455556666" {
		t.Errorf("account %q", got)
	}
}

func TestTrust(t *testing.T) {
	srv := httptest.NewUnstartedServer(smallFleet())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(bundle, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		opts   Options
		env    map[string]string
		config string
		ok     bool
	}{
		{"unknown authority", Options{}, nil, "", false},
		{"flag", Options{CABundle: bundle}, nil, "", true},
		{"environment", Options{}, map[string]string{"AWS_CA_BUNDLE": bundle}, "", true},
		{"profile", Options{}, nil, "[default]\nca_bundle = " + bundle + "\n", true},
		{"not verified", Options{NoVerifySSL: true}, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := cleanEnv(t, with(c.env))
			writeConfig(t, home, c.config)
			c.opts.Region, c.opts.EndpointURL = "eu-west-1", srv.URL
			f := New(c.opts)
			open(t, f)
			p := f.providers["aws"]
			_, err := p.callStartSession(t.Context(), callInput(plan.Call{Target: "i-1"}))
			if c.ok != (err == nil) {
				t.Fatalf("got %+v, want success: %v", err, c.ok)
			}
			if err != nil && err.fate != fateUnsent {
				t.Errorf("fate %v, want unsent: no request was written", err.fate)
			}
		})
	}
}

func TestProxyIsUsed(t *testing.T) {
	rec, proxy := serve(t, smallFleet())
	cleanEnv(t, keys)
	f := New(Options{Region: "eu-west-1", EndpointURL: "http://ssm.example.test"})
	f.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }
	open(t, f)
	if err := findAll(t, f); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(rec.hosts, "ssm.example.test") {
		t.Errorf("the proxy saw %v", rec.hosts)
	}
}

func TestRegionOfBlockFlagAndEnvironment(t *testing.T) {
	cleanEnv(t, with(map[string]string{"AWS_REGION": "us-east-1"}))
	f := New(Options{Region: "eu-west-1", EndpointURL: "http://127.0.0.1:1"})
	open(t, f, plan.Provider{Key: "aws"}, plan.Provider{Key: "aws.b", Region: "ap-south-1"})
	if a, b := f.providers["aws"].Region, f.providers["aws.b"].Region; a != "eu-west-1" || b != "ap-south-1" {
		t.Errorf("regions %s and %s, want the flag's and the block's", a, b)
	}
}

func TestAccountIsAskedOfSTS(t *testing.T) {
	calls := 0
	_, address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			smallFleet().ServeHTTP(w, r)
			return
		}
		calls++
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
			<Arn>arn:aws-cn:iam::777788889999:user/me</Arn><Account>777788889999</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	cleanEnv(t, with(map[string]string{"AWS_ENDPOINT_URL": address}))
	f := New(Options{Region: "cn-north-1"})
	open(t, f)
	for range 2 {
		found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := found[0].Targets[0].Account; got != "777788889999" {
			t.Errorf("account %q", got)
		}
	}
	if calls != 1 || f.providers["aws"].known().partition != "aws-cn" {
		t.Errorf("%d calls, %+v", calls, f.providers["aws"].known())
	}
}
