package main

import "strings"

// callCase is a command line, the machine it is typed on and the service that
// hears it. In all of its texts $URL is the service. Without another setting
// the environment has credentials, the region eu-west-1 and the service's URL.
type callCase struct {
	name    string
	args    []string
	env     []string          // settings besides, or instead of, those
	files   map[string]string // in the directory that it is typed in
	answers string            // of the service, by turns: see recorder
	tls     bool              // the service has a certificate, which is in ca.pem
	slow    bool              // it waits for seconds: for the flag -aws only

	// version1 is why version 1 of the AWS CLI makes other calls than version
	// 2, or ends otherwise.
	version1 string
	// ours is why ours are not version 2's, and what they are.
	ours  string
	calls int
	exit  int
}

// with is the target and more.
func with(args ...string) []string { return append([]string{"--target", "i-1"}, args...) }

const (
	keysInFile  = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n[ops]\naws_access_key_id = AKIAOPS\naws_secret_access_key = s\naws_session_token = tok\n"
	noKeys      = "AWS_ACCESS_KEY_ID="
	noURL       = "AWS_ENDPOINT_URL="
	secondStart = "a call that may have started a session is not made again: it could start a second one"
)

// requestCases differ in the request.
var requestCases = []callCase{
	{name: "target", args: with()},
	{name: "document", args: with("--document-name", "Doc")},
	{name: "empty-document", args: []string{"--cli-input-json", `{"Target": "i-2", "DocumentName": ""}`}},
	{name: "reason", args: with("--reason", "exactly ssmrun/this ")},
	{name: "reason-unicode", args: with("--reason", "é 😀 \u2028 <&>\t\x7f")},
	{name: "reason-dash", args: with("--reason", "-5 days")},
	{name: "reason-joined", args: with("--reason=-x")},
	{name: "abbreviated", args: []string{"--tar", "i-1", "--doc", "Doc"}},
	{name: "twice", args: []string{"--target", "i-1", "--target", "i-2"}},
	{name: "shorthand", args: with("--parameters", "a=1,b=2")},
	{name: "shorthand-list", args: with("--parameters", "a=x y,b=1,2")},
	{name: "shorthand-brackets", args: with("--parameters", `portNumber=["80"],localPortNumber=["0"]`)},
	{name: "shorthand-quotes", args: with("--parameters", `command="ls, -l",x='it''s'`)},
	{name: "shorthand-escapes", args: with("--parameters", `a=x\,y,b="\"q\""`)},
	{name: "shorthand-equals", args: with("--parameters", "a==b")},
	{name: "shorthand-empty", args: with("--parameters", "a=")},
	{name: "shorthand-map", args: with("--parameters", "a={b=c}")},
	{name: "shorthand-file", args: with("--parameters", "command@=file://script"), files: map[string]string{"script": "echo a\r\necho b\n"}},
	{name: "json", args: with("--parameters", `{"portNumber": ["80"]}`)},
	{name: "json-scalar", args: with("--parameters", `{"portNumber": "80"}`)},
	{name: "json-number", args: with("--parameters", `{"portNumber": [80]}`)},
	{name: "json-list", args: with("--parameters", `["80"]`)},
	{name: "json-broken", args: with("--parameters", `{"portNumber": `)},
	{name: "json-empty", args: with("--parameters", `{}`)},
	{name: "file", args: with("--parameters", "file://p.json"), files: map[string]string{"p.json": `{"command": ["ls -l"]}`}},
	{name: "file-shorthand", args: with("--parameters", "file://p"), files: map[string]string{"p": "a=b,c=d\n"}},
	{name: "file-missing", args: with("--parameters", "file://nosuch")},
	{name: "file-reason", args: with("--reason", "file://why"), files: map[string]string{"why": "because\n"}},
	{name: "fileb-reason", args: with("--reason", "fileb://why"), files: map[string]string{"why": "because\n"}},
	{name: "fileb", args: with("--parameters", "fileb://p.json"), files: map[string]string{"p.json": `{"a": ["b"]}`}},
	{name: "http-value", args: with("--reason", "http://127.0.0.1:1/why"), version1: "it fetches http:// values"},
	{name: "input", args: []string{"--cli-input-json", "file://r.json"}, files: map[string]string{"r.json": `{"Target": "i-file", "Reason": "from the file", "Parameters": {"a": ["1"]}}`}},
	{name: "input-overridden", args: with("--cli-input-json", "file://r.json", "--parameters", "b=2"),
		files: map[string]string{"r.json": `{"Target": "i-file", "Reason": "from the file", "Parameters": {"a": ["1"]}}`}},
	{name: "input-unknown", args: with("--cli-input-json", `{"Nosuch": 1}`)},
	{name: "input-broken", args: with("--cli-input-json", `{`)},
	{name: "input-list", args: with("--cli-input-json", `[]`)},
	{name: "input-wrong-type", args: []string{"--cli-input-json", `{"Target": 1}`}},
	{name: "input-joined", args: []string{`--cli-input-json={"Target": "i-1"}`}},
	{name: "no-target", args: []string{"--reason", "x"}},
	{name: "empty-target", args: []string{"--target", ""}},
	{name: "empty-reason", args: with("--reason", "")},
	{name: "long-reason", args: with("--reason", strings.Repeat("x", 300))},
	{name: "odd-document", args: with("--document-name", "no such!")},
	{name: "unknown-option", args: with("--nosuch")},
	{name: "stray-word", args: with("stray")},
	{name: "bad-output", args: with("--output", "xml")},
	{name: "bad-query", args: with("--query", "[")},
	{name: "bad-timeout", args: with("--cli-read-timeout", "soon")},
	{name: "bad-endpoint", args: with("--endpoint-url", "localhost")},
	{name: "skeleton", args: []string{"--generate-cli-skeleton"}},
	{name: "skeleton-input", args: with("--generate-cli-skeleton", "input")},
	{name: "skeleton-output", args: with("--generate-cli-skeleton", "output")},
	{name: "skeleton-output-table", args: with("--generate-cli-skeleton", "output", "--output", "table", "--color", "off")},
	{name: "skeleton-output-query", args: with("--generate-cli-skeleton", "output", "--output", "text", "--query", "[SessionId,StreamUrl]")},
	{name: "skeleton-output-yaml", args: with("--generate-cli-skeleton", "output", "--output", "yaml"), version1: "it has no yaml"},
	{name: "skeleton-output-environment", args: with("--generate-cli-skeleton", "output"), env: []string{"AWS_DEFAULT_OUTPUT=text"}},
	{name: "skeleton-output-profile", args: with("--generate-cli-skeleton", "output"), files: map[string]string{"config": "[default]\noutput = text\n"}, ours: "output of a profile is not read"},
	{name: "no-effect", args: with("--no-paginate", "--output", "text", "--query", "SessionId", "--color", "off")},
	{name: "no-effect-of-version-2", args: with("--no-cli-pager", "--cli-binary-format", "base64", "--no-cli-auto-prompt"), version1: "it has no such options"},
}

// settingCases differ in where settings come from.
var settingCases = []callCase{
	{name: "region-option", args: with("--region", "us-west-2")},
	{name: "region-environment", args: with(), env: []string{"AWS_REGION=us-west-2", "AWS_DEFAULT_REGION=us-west-1"}, version1: "it does not read AWS_REGION"},
	{name: "region-default-environment", args: with(), env: []string{"AWS_REGION=", "AWS_DEFAULT_REGION=us-west-1"}},
	{name: "region-profile", args: with("--profile", "ops"), env: []string{"AWS_REGION=", "AWS_DEFAULT_REGION="},
		files: map[string]string{"config": "[default]\nregion = eu-north-1\n[profile ops]\nregion = eu-south-1\n", "credentials": keysInFile}},
	{name: "region-environment-before-profile", args: with("--profile", "ops"), env: []string{"AWS_REGION=us-west-2", "AWS_DEFAULT_REGION=us-west-2"},
		files: map[string]string{"config": "[profile ops]\nregion = eu-south-1\n", "credentials": keysInFile}},
	{name: "region-none", args: with(), env: []string{"AWS_REGION=", "AWS_DEFAULT_REGION="}, files: map[string]string{"config": "[default]\n"}},
	{name: "region-odd", args: with("--region", "not a region")},
	{name: "profile-option", args: with("--profile", "ops"), files: map[string]string{"config": "[profile ops]\n", "credentials": keysInFile}},
	{name: "profile-environment", args: with(), env: []string{"AWS_PROFILE=ops", noKeys}, files: map[string]string{"credentials": keysInFile}},
	{name: "profile-environment-behind-keys", args: with(), env: []string{"AWS_PROFILE=ops"}, files: map[string]string{"credentials": keysInFile}},
	{name: "profile-both-in-environment", args: with(), env: []string{"AWS_PROFILE=ops", "AWS_DEFAULT_PROFILE=default", noKeys},
		files: map[string]string{"credentials": keysInFile}, version1: "AWS_DEFAULT_PROFILE comes first"},
	{name: "profile-missing", args: with("--profile", "nosuch"), files: map[string]string{"credentials": keysInFile}},
	{name: "profile-missing-in-environment", args: with(), env: []string{"AWS_PROFILE=nosuch"}, files: map[string]string{"credentials": keysInFile}},
	{name: "profile-default", args: with(), env: []string{noKeys}, files: map[string]string{"credentials": keysInFile}},
	{name: "profile-process", args: with("--profile", "p"), files: map[string]string{
		"config":  "[profile p]\ncredential_process = sh ./keys.sh\n",
		"keys.sh": `echo '{"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "s", "SessionToken": "t"}'`}},
	{name: "keys-with-token", args: with(), env: []string{"AWS_SESSION_TOKEN=tok"}},
	{name: "keys-none", args: with(), env: []string{noKeys}},
	{name: "keys-half", args: with(), env: []string{"AWS_SECRET_ACCESS_KEY="}},
	{name: "config-broken", args: with(), files: map[string]string{"config": "[default\nregion\n"}, ours: "a line of the config file that makes no sense is passed over", calls: 1, exit: 254},
	{name: "endpoint-option", args: with("--endpoint-url", "$URL/option")},
	{name: "endpoint-service-environment", args: with(), env: []string{"AWS_ENDPOINT_URL=$URL/all", "AWS_ENDPOINT_URL_SSM=$URL/ssm"}},
	{name: "endpoint-profile", args: with(), env: []string{noURL}, files: map[string]string{"config": "[default]\nendpoint_url = $URL/profile\n"}},
	{name: "endpoint-services", args: with(), env: []string{noURL},
		files: map[string]string{"config": "[default]\nendpoint_url = $URL/profile\nservices = local\n[services local]\nssm =\n  endpoint_url = $URL/services\n"}},
	{name: "endpoint-environment-before-profile", args: with(), env: []string{"AWS_ENDPOINT_URL=$URL/all"},
		files: map[string]string{"config": "[default]\nendpoint_url = $URL/profile\n"}},
	{name: "endpoint-environment-before-services", args: with(), env: []string{"AWS_ENDPOINT_URL=$URL/all"},
		files: map[string]string{"config": "[default]\nservices = local\n[services local]\nssm =\n  endpoint_url = $URL/services\n"}},
	{name: "endpoint-ignored", args: with("--endpoint-url", "$URL/option"), env: []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}},
	{name: "endpoint-all-ignored", args: with(), env: []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "HTTPS_PROXY=$URL", "AWS_MAX_ATTEMPTS=1"}},
	{name: "endpoint-region", args: with(), env: []string{noURL, "HTTPS_PROXY=$URL", "AWS_MAX_ATTEMPTS=1"}},
	{name: "endpoint-china", args: with("--region", "cn-north-1"), env: []string{noURL, "HTTPS_PROXY=$URL", "AWS_MAX_ATTEMPTS=1"}},
	{name: "endpoint-fips", args: with("--region", "us-east-1"), env: []string{noURL, "HTTPS_PROXY=$URL", "AWS_MAX_ATTEMPTS=1", "AWS_USE_FIPS_ENDPOINT=true"}},
	{name: "endpoint-dualstack", args: with(), env: []string{noURL, "HTTPS_PROXY=$URL", "AWS_MAX_ATTEMPTS=1", "AWS_USE_DUALSTACK_ENDPOINT=true"}},
	{name: "unsigned", args: with("--no-sign-request"), env: []string{noKeys}},
	{name: "unsigned-with-keys", args: with("--no-sign-request")},
	{name: "tls-untrusted", args: with(), tls: true, env: []string{"AWS_MAX_ATTEMPTS=1"}},
	{name: "tls-bundle", args: with("--ca-bundle", "ca.pem"), tls: true},
	{name: "tls-bundle-environment", args: with(), tls: true, env: []string{"AWS_CA_BUNDLE=ca.pem"}},
	{name: "tls-bundle-profile", args: with(), tls: true, files: map[string]string{"config": "[default]\nca_bundle = ca.pem\n"}},
	{name: "tls-bundle-missing", args: with("--ca-bundle", "nosuch.pem"), tls: true},
	{name: "tls-not-verified", args: with("--no-verify-ssl"), tls: true},
}

// answerCases differ in what the service answers.
var answerCases = []callCase{
	{name: "ok", args: with(), answers: "ok", ours: "the session's data channel is not there, and ours needs it", calls: 1, exit: 255},
	{name: "redirect", args: with(), answers: "redirect"},
	{name: "throttled-once", args: with(), answers: "throttle refuse"},
	{name: "throttled", args: with(), answers: "throttle", slow: true, version1: "it tries five times"},
	{name: "throttled-standard", args: with(), answers: "throttle", env: []string{"AWS_RETRY_MODE=standard"}, slow: true},
	{name: "throttled-legacy", args: with(), answers: "throttle", env: []string{"AWS_RETRY_MODE=legacy"}, version1: "it has that mode"},
	{name: "legacy-in-profile", args: with(), answers: "throttle", files: map[string]string{"config": "[default]\nretry_mode = legacy\nmax_attempts = 2\n"}, version1: "it has that mode"},
	{name: "throttled-adaptive", args: with(), answers: "throttle", env: []string{"AWS_RETRY_MODE=adaptive"}, slow: true},
	{name: "retry-mode-odd", args: with(), env: []string{"AWS_RETRY_MODE=odd"}},
	{name: "throttled-one-try", args: with(), answers: "throttle", env: []string{"AWS_MAX_ATTEMPTS=1"}},
	{name: "throttled-two-tries", args: with(), answers: "throttle", files: map[string]string{"config": "[default]\nmax_attempts = 2\n"}, version1: "it counts the first try apart"},
	{name: "throttled-four-tries", args: with(), answers: "throttle", env: []string{"AWS_MAX_ATTEMPTS=4", "AWS_RETRY_MODE=standard"}, slow: true},
	{name: "tries-odd", args: with(), env: []string{"AWS_MAX_ATTEMPTS=many"}},
	{name: "tries-none", args: with(), env: []string{"AWS_MAX_ATTEMPTS=0"}, version1: "it takes 0 for its default", ours: "no tries is no setting: the default counts", calls: 1, exit: 254},
	{name: "server-error", args: with(), answers: "500", version1: "it tries five times", ours: secondStart, calls: 1, exit: 254},
	{name: "unavailable", args: with(), answers: "503", version1: "it tries five times", ours: secondStart, calls: 1, exit: 254},
	{name: "cut", args: with(), answers: "cut", version1: "it tries five times", ours: secondStart, calls: 1, exit: 255},
	{name: "read-timeout", args: with("--cli-read-timeout", "1"), answers: "hang", slow: true, version1: "it tries five times", ours: secondStart, calls: 1, exit: 255},
	{name: "read-timeout-one-try", args: with("--cli-read-timeout", "1"), answers: "hang", env: []string{"AWS_MAX_ATTEMPTS=1"}},
	{name: "not-listening", args: with("--endpoint-url", "http://127.0.0.1:1"), env: []string{"AWS_MAX_ATTEMPTS=1"}},
}
