package fleet

import (
	"strings"
	"testing"
)

// where opens a provider that would talk to the endpoint, "" for AWS's own.
func where(t *testing.T, region, endpoint string) *provider {
	t.Helper()
	p := &provider{}
	p.Region = region
	f := inMemory(t, &service{}, Options{Region: region, EndpointURL: endpoint})
	if endpoint != "" {
		return f.providers["aws"]
	}
	domain, err := partitionDomain(t.Context(), region)
	if err != nil {
		t.Fatal(err)
	}
	p.domain = domain
	return p
}

func TestStreamURLsThatMayHaveTheToken(t *testing.T) {
	for _, c := range []struct{ region, endpoint, url string }{
		{"eu-west-1", "", "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/me-1?role=publish_subscribe&cell-number=x"},
		{"eu-west-1", "", "wss://SSMMESSAGES.eu-west-1.amazonaws.com:443/v1"},
		{"us-gov-west-1", "", "wss://ssmmessages-fips.us-gov-west-1.amazonaws.com/v1"},
		{"eu-west-1", "", "wss://ssmmessages.eu-west-1.api.aws/v1"},
		{"cn-north-1", "", "wss://ssmmessages.cn-north-1.amazonaws.com.cn/v1"},
		{"us-iso-east-1", "", "wss://ssmmessages.us-iso-east-1.c2s.ic.gov/v1"},
		{"eusc-de-east-1", "", "wss://ssmmessages.eusc-de-east-1.amazonaws.eu/v1"},
		{"eu-west-1", "https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com", "wss://ssmmessages.eu-west-1.amazonaws.com/v1"},
		{"eu-west-1", "https://ssm.corp.example:8443", "wss://ssm.corp.example/v1"},
		{"eu-west-1", "http://127.0.0.1:4711", "ws://127.0.0.1:4711/v1"},
		{"eu-west-1", "https://127.0.0.1:4711", "wss://127.0.0.1:4711/v1"},
		{"eu-west-1", "http://localhost:4711", "ws://localhost:4711/v1"},
		{"eu-west-1", "http://[::1]:4711", "ws://[::1]:4711/v1"},
	} {
		if err := where(t, c.region, c.endpoint).checkStreamURL(NewSecret(c.url)); err != nil {
			t.Errorf("%s, endpoint %q: %s: %v", c.region, c.endpoint, c.url, err)
		}
	}
}

// T8: what must never get a token.
func TestStreamURLsThatMayNotHaveTheToken(t *testing.T) {
	const corp, lab, labTLS = "https://ssm.corp.example", "http://127.0.0.1:4711", "https://127.0.0.1:4711"
	for _, c := range []struct{ endpoint, url string }{
		{"", "ws://ssmmessages.eu-west-1.amazonaws.com/v1"},
		{"", "https://ssmmessages.eu-west-1.amazonaws.com/v1"},
		{"", "ssmmessages.eu-west-1.amazonaws.com/v1"},
		{"", "wss://ssmmessages.us-east-1.amazonaws.com/v1"},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com.evil.example/v1"},
		{"", "wss://evil.example/ssmmessages.eu-west-1.amazonaws.com"},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com@evil.example/v1"},
		{"", "wss://me:pw@ssmmessages.eu-west-1.amazonaws.com/v1"},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com:8443/v1"},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com./v1"},
		{"", "wss://ssm.eu-west-1.amazonaws.com/v1"},
		{"", "wss://127.0.0.1/v1"},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com\\@evil.example/v1"},
		{"", "wss://evil.example#ssmmessages.eu-west-1.amazonaws.com"},
		{"", "wss:ssmmessages.eu-west-1.amazonaws.com"},
		{"", "wss:///v1"},
		{"", ""},
		{"", "wss://%zz"},
		{corp, "ws://ssm.corp.example/v1"},
		{corp, "wss://other.corp.example/v1"},
		{"http://ssm.corp.example", "ws://ssm.corp.example/v1"},
		{lab, "ws://127.0.0.1:4712/v1"},
		{lab, "ws://localhost:4711/v1"},
		{lab, "wss://ssmmessages.eu-west-1.amazonaws.com/v1"},
		{lab, "http://127.0.0.1:4711/v1"},
		{labTLS, "ws://127.0.0.1:4711/v1"},
	} {
		err := where(t, "eu-west-1", c.endpoint).checkStreamURL(NewSecret(c.url))
		if err == nil {
			t.Errorf("endpoint %q: %s is allowed", c.endpoint, c.url)
		} else if strings.Contains(err.Error(), "pw@") {
			t.Errorf("the error quotes it: %v", err)
		}
	}
}

func TestSignDataChannel(t *testing.T) {
	f := inMemory(t, &service{}, Options{})
	const plain = "ws://127.0.0.1:1/v1/data-channel/me-1?role=publish_subscribe"
	for address, want := range map[string]bool{plain: true, plain + "&X-Amz-Signature=00": false} {
		h, err := f.providers["aws"].signDataChannel(t.Context(), NewSecret(address))
		if err != nil {
			t.Fatal(err)
		}
		auth := h.Get("Authorization")
		if signed := strings.Contains(auth, "/eu-west-1/ssmmessages/aws4_request") && strings.Contains(auth, "SignedHeaders=host;x-amz-date"); signed != want {
			t.Errorf("%s: signed %v, want %v (%q)", address, signed, want, auth)
		}
	}
}
