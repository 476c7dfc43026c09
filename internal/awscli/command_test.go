package awscli

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseGivesRequestAndGlobals(t *testing.T) {
	c, err := Parse([]string{
		"--target", "i-1", "--document-name", "Doc", "--parameters", `portNumber=["80"],x=a,b`,
		"--debug", "--endpoint-url", "http://127.0.0.1:9", "--no-verify-ssl", "--profile", "p", "--region", "r",
		"--no-sign-request", "--ca-bundle", "ca.pem", "--cli-read-timeout", "0", "--output", "text", "--color", "on",
	}, Files{})
	if err != nil {
		t.Fatal(err)
	}
	c.Request.call = nil
	want := &Command{
		Request: Request{Target: "i-1", DocumentName: new("Doc"), Parameters: map[string][]string{"portNumber": {"80"}, "x": {"a", "b"}}},
		Globals: Globals{Debug: true, EndpointURL: "http://127.0.0.1:9", NoVerifySSL: true, Profile: "p", Region: "r",
			NoSignRequest: true, CABundle: "ca.pem", ConnectTimeout: time.Minute, Output: Output{Format: "text", Color: "on"}},
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Request{}, Object{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWeRefuse(t *testing.T) {
	long := strings.Repeat("[", maxDepth+2)
	for _, c := range []struct {
		args []string
		exit int
		part string
	}{
		{[]string{"--target", "\xff"}, ExitUsage, "not UTF-8"},
		{[]string{"--target", "i", "--cli-auto-prompt"}, ExitUsage, "not supported"},
		{[]string{"--cli-input-yaml", "a: b"}, ExitUsage, "not supported"},
		{[]string{"--generate-cli-skeleton", "yaml-input"}, ExitUsage, "not supported"},
		{[]string{"--target", "i", "--cli-read-timeout", "-1"}, ExitUsage, "not negative"},
		{[]string{"--target", "i", "--cli-read-timeout", "99999999999999999999"}, ExitUsage, "too long"},
		{[]string{"--target", "i", "--parameters", "fileb://text.txt"}, ExitGeneral, "use file://"},
		{[]string{"--target", "i", "--parameters", "a=" + long}, ExitGeneral, "too deep"},
		{[]string{"--target", "i", "--parameters", `{"a":` + long}, ExitGeneral, "too deep"},
		{[]string{"--cli-input-json", long}, ExitGeneral, "too deep"},
		{[]string{"--target", "i", "--parameters", `{"a":["\ud800"]}`}, ExitUsage, "Lone surrogate"},
		{[]string{"--target", "i", "--query", "a[?b>`1`] | $"}, ExitUsage, "not part of the CLI's"},
		{[]string{"--target", "i", "--query", "a + b"}, ExitUsage, "Bad value for --query a + b: Invalid jmespath expression"},
	} {
		_, err := Parse(c.args, referenceFiles(t))
		if e, ok := errors.AsType[*Error](err); !ok || e.Exit != c.exit || !strings.Contains(e.Error(), c.part) {
			t.Errorf("%.80q: got %v, want exit %d and %q", c.args, err, c.exit, c.part)
		}
	}
}

func TestErrorsOfOtherKinds(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		exit int
		want string
	}{
		{NoRegion(), 253, "\naws: [ERROR]: An error occurred (NoRegion): You must specify a region. You can also configure your region by running \"aws configure\".\n"},
		{NoCredentials(), 253, "\naws: [ERROR]: An error occurred (NoCredentials): Unable to locate credentials. You can configure credentials by running \"aws login\".\n"},
		{ServiceError("TargetNotConnected", "i-1 is not connected.", 0), 254,
			"\naws: [ERROR]: An error occurred (TargetNotConnected) when calling the StartSession operation: i-1 is not connected.\n"},
		{ServiceError("ThrottlingException", "Rate exceeded", 2), 254,
			"\naws: [ERROR]: An error occurred (ThrottlingException) when calling the StartSession operation (reached max retries: 2): Rate exceeded\n"},
	} {
		if got := c.err.Report("aws", "", 0); got != c.want || c.err.Exit != c.exit {
			t.Errorf("got %d %q\nwant %d %q", c.err.Exit, got, c.exit, c.want)
		}
	}
	if got, want := ServiceError("X", "y", 0).Report("aws", "json", 0), "{\n    \"Code\": \"X\",\n    \"Message\": \"y\"\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOptionsAreComplete has the options of awscli/data/cli.json of AWS CLI
// 2.36.7 and those of the operation.
func TestOptionsAreComplete(t *testing.T) {
	var names []string
	for _, o := range Options() {
		if slices.Contains(names, o.Name) || o.Help == "" || strings.HasSuffix(o.Help, ".") {
			t.Errorf("option %q: twice, or its help is missing or a sentence", o.Name)
		}
		names = append(names, o.Name)
	}
	global := []string{"debug", "endpoint-url", "no-verify-ssl", "no-paginate", "output", "query", "profile", "region", "version",
		"color", "no-sign-request", "ca-bundle", "cli-read-timeout", "cli-connect-timeout", "cli-binary-format", "no-cli-pager",
		"cli-auto-prompt", "no-cli-auto-prompt", "cli-error-format"}
	operation := []string{"target", "document-name", "reason", "parameters", "cli-input-json", "cli-input-yaml", "generate-cli-skeleton"}
	want := slices.Concat(global, operation)
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestAutoColourIsForTerminals(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		o := Output{Format: "table", Color: "auto", Terminal: terminal}
		text, err := o.Text(operation, SampleResponse())
		if err != nil || strings.Contains(text, ansiValue) != terminal {
			t.Errorf("terminal %v: %q, %v", terminal, text, err)
		}
	}
}

func TestObjectKeepsTheOrderOfItsKeys(t *testing.T) {
	o := NewObject("b", Int("1"), "a", Int("2"))
	o.Set("b", Int("3"))
	if got := encodeJSON(o, false); got != `{"b": 3, "a": 2}` || !slices.Equal(o.Keys(), []string{"b", "a"}) {
		t.Errorf("got %s", got)
	}
}
