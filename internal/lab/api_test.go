package lab

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// mixedLab has nodes that differ in all that filters can see.
func mixedLab(t testing.TB) *Lab {
	return startLab(t, &hclspec.Lab{
		Agent: quickAgent,
		Nodes: []*hclspec.Nodes{
			webNodes(12),
			{Label: "db", IDs: []string{"i-0123456789abcdef0"}, Online: true, Tags: map[string]string{"Role": "db", "Name": "primary"}},
			{Label: "win", Count: 1, Online: true, Platform: "Windows"},
			{Label: "off", Count: 1, Online: false},
		},
	}, Options{})
}

// names lists the computer names that DescribeInstanceInformation finds, over
// all its pages.
func (l *Lab) names(t testing.TB, input object) []string {
	t.Helper()
	var names []string
	for {
		answer := l.ssm(t, "DescribeInstanceInformation", input)
		for _, item := range answer["InstanceInformationList"].([]any) {
			names = append(names, item.(object)["ComputerName"].(string))
		}
		next, ok := answer["NextToken"]
		if !ok {
			return names
		}
		input["NextToken"] = next
	}
}

func TestNodeIdentitiesAreTheSameEveryTime(t *testing.T) {
	want := "i-948219109b7498681"
	for range 2 {
		nodes, err := expandNodes(&hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(120)}})
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(nodes[0].id) {
			t.Errorf("id %q", nodes[0].id)
		}
		if nodes[0].id != want {
			t.Errorf("the first node's id is %s, want %s: ids may not change between versions", nodes[0].id, want)
		}
		if nodes[0].name != "web-001" || nodes[119].name != "web-120" {
			t.Errorf("names %s to %s, want web-001 to web-120", nodes[0].name, nodes[119].name)
		}
	}
}

func TestBadLabFilesAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		group hclspec.Nodes
		want  string
	}{
		{"label", hclspec.Nodes{Label: "a/b", Count: 1}, "a label has"},
		{"id", hclspec.Nodes{Label: "a", IDs: []string{"i-12"}}, "a node id is"},
		{"twice the same id", hclspec.Nodes{Label: "a", IDs: []string{"i-0123456789abcdef0", "i-0123456789abcdef0"}}, "two nodes are called"},
		{"file outside", hclspec.Nodes{Label: "a", Count: 1, Files: map[string]string{"../x": ""}}, "stays in it"},
		{"unit state", hclspec.Nodes{Label: "a", Count: 1, Units: map[string]string{"nginx": "up"}}, "active, inactive or failed"},
		{"unit name", hclspec.Nodes{Label: "a", Count: 1, Units: map[string]string{"../x": "active"}}, "not a name"},
		{"isolation", hclspec.Nodes{Label: "a", Count: 1, Isolation: "namespace"}, "not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := expandNodes(&hclspec.Lab{Nodes: []*hclspec.Nodes{&tt.group}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDescribeInstanceInformationFilters(t *testing.T) {
	l := mixedLab(t)
	filter := func(key string, values ...string) object {
		return object{"Filters": []object{{"Key": key, "Values": values}}}
	}
	tests := []struct {
		input object
		want  []string
	}{
		{filter("tag:Role", "db"), []string{"db-01"}},
		{filter("tag:Role", "db", "nothing"), []string{"db-01"}},
		{filter("tag:Name", "primary", "off-01"), []string{"db-01", "off-01"}},
		{object{"Filters": []object{{"Key": "tag:Role", "Values": []string{"web", "db"}}, {"Key": "tag:Name", "Values": []string{"web-03"}}}}, []string{"web-03"}},
		{filter("InstanceIds", "i-0123456789abcdef0"), []string{"db-01"}},
		{filter("PlatformTypes", "Windows"), []string{"win-01"}},
		{filter("PingStatus", "ConnectionLost"), []string{"off-01"}},
		{filter("tag-key", "Nothing"), nil},
		{object{"InstanceInformationFilterList": []object{{"key": "PlatformTypes", "valueSet": []string{"Windows"}}}}, []string{"win-01"}},
		{object{"Filters": []object{{"Key": "PingStatus", "Values": []string{"Online"}}, {"Key": "PlatformTypes", "Values": []string{"Windows"}}}}, []string{"win-01"}},
	}
	for _, tt := range tests {
		t.Run(asJSON(t, tt.input), func(t *testing.T) {
			if got := l.names(t, tt.input); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDescribeInstanceInformationPages(t *testing.T) {
	l := mixedLab(t)
	if got := l.names(t, object{"MaxResults": 5}); len(got) != 15 || got[0] != "web-01" || got[14] != "off-01" {
		t.Errorf("three pages of five gave %v", got)
	}
	first := l.ssm(t, "DescribeInstanceInformation", object{})
	if n := len(first["InstanceInformationList"].([]any)); n != 10 {
		t.Errorf("%d nodes on a page without MaxResults, want 10", n)
	}
	l.refused(t, "DescribeInstanceInformation", object{"NextToken": "x"}, "InvalidNextToken", "")
	other := object{"NextToken": first["NextToken"], "Filters": []object{{"Key": "tag:Role", "Values": []string{"web"}}}}
	l.refused(t, "DescribeInstanceInformation", other, "InvalidNextToken", "")
}

func TestDescribeInstanceInformationTellsNoTags(t *testing.T) {
	l := mixedLab(t)
	answer := l.ssm(t, "DescribeInstanceInformation", object{"Filters": []object{{"Key": "tag:Role", "Values": []string{"db"}}}})
	text := asJSON(t, answer)
	if strings.Contains(text, "primary") || strings.Contains(text, "Tag") {
		t.Errorf("the answer has tags or the Name tag: %s", text)
	}
	got := answer["InstanceInformationList"].([]any)[0].(object)
	delete(got, "LastPingDateTime")
	want := object{
		"InstanceId": "i-0123456789abcdef0", "PingStatus": "Online", "AgentVersion": "3.3.0.0", "IsLatestVersion": false,
		"PlatformType": "Linux", "PlatformName": "Amazon Linux", "PlatformVersion": "2023", "ResourceType": "EC2Instance",
		"IPAddress": "10.0.0.12", "ComputerName": "db-01", "SourceId": "i-0123456789abcdef0", "SourceType": "AWS::EC2::Instance",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	l := mixedLab(t)
	tag := object{"Key": "tag:Role", "Values": []string{"web"}}
	tests := []struct {
		operation string
		input     object
		code      string
		text      string
	}{
		{"DescribeInstanceInformation", object{"Filters": []object{tag, {"Key": "PingStatus", "Values": []string{"Online"}}}}, "ValidationException", "Tag filters can't be combined"},
		{"DescribeInstanceInformation", object{"Filters": []object{{"Key": "InstanceIds", "Values": []string{"i-0123456789abcdef0", "i-0123456789abcdef1"}}}}, "InvalidInstanceId", "i-0123456789abcdef1"},
		{"DescribeInstanceInformation", object{"Filters": []object{{"Key": "Colour", "Values": []string{"red"}}}}, "InvalidFilterKey", "Colour"},
		{"DescribeInstanceInformation", object{"Filters": []object{{"Key": "ResourceType", "Values": []string{"Toaster"}}}}, "InvalidInstanceInformationFilterValue", "Toaster"},
		{"DescribeInstanceInformation", object{"MaxResults": 4}, "ValidationException", "Value '4' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 5"},
		{"DescribeInstanceInformation", object{"MaxResults": 51}, "ValidationException", "less than or equal to 50"},
		{"DescribeInstanceInformation", object{"InstanceInformationFilterList": []object{{"key": "tag:Role", "valueSet": []string{"x"}}}}, "ValidationException", "enum value set: [InstanceIds"},
		{"DescribeInstanceInformation", object{"Filters": []object{{"Key": "PingStatus", "Values": []string{}}}}, "ValidationException", "length greater than or equal to 1"},
		{"DescribeInstanceInformation", object{"Filters": "x"}, "SerializationException", ""},
		{"GetConnectionStatus", object{}, "ValidationException", "Value null at 'target' failed to satisfy constraint: Member must not be null"},
		{"StartSession", object{}, "ValidationException", "1 validation error detected: Value null at 'target'"},
		{"StartSession", object{"Target": "", "Reason": ""}, "ValidationException", "2 validation errors detected"},
		{"StartSession", object{"Target": l.nodes[0].id, "Reason": strings.Repeat("é", 257)}, "ValidationException", "less than or equal to 256"},
		{"StartSession", object{"Target": l.nodes[0].id, "Reason": "two\nlines"}, "ValidationException", "regular expression pattern: ^.{1,256}$"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "a b"}, "ValidationException", "'documentName' failed"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "NoSuchDocument"}, "InvalidDocument", "NoSuchDocument does not exist"},
		{"StartSession", object{"Target": "i-0fffffffffffffff0"}, "TargetNotConnected", "i-0fffffffffffffff0 is not connected."},
		{"StartSession", object{"Target": l.nodes[14].id}, "TargetNotConnected", "is not connected."},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartInteractiveCommand"}, "InvalidParameters", `"command" is required`},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartInteractiveCommand", "Parameters": object{"command": []string{"id"}, "colour": []string{"red"}}}, "InvalidParameters", `"colour" is not defined`},
		{"StartSession", object{"Target": l.nodes[0].id, "Parameters": object{"command": []string{"id"}}}, "InvalidParameters", `"command" is not defined`},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartNonInteractiveCommand", "Parameters": object{"command": []string{"id"}, "separateOutputStream": []string{"yes"}}}, "InvalidParameters", "must be one of"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartSSHSession", "Parameters": object{"portNumber": []string{"99999"}}}, "InvalidParameters", "must match pattern"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartPortForwardingSession", "Parameters": object{"portNumber": []string{"0"}}}, "InvalidParameters", "must match pattern"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartPortForwardingSession", "Parameters": object{"localPortNumber": []string{"65536"}}}, "InvalidParameters", "must match pattern"},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartPortForwardingSession", "Parameters": object{"host": []string{"localhost"}}}, "InvalidParameters", `"host" is not defined`},
		{"StartSession", object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost", "Parameters": object{"host": []string{"a;b"}}}, "InvalidParameters", "must match pattern"},
		{"ResumeSession", object{"SessionId": "nobody-1"}, "DoesNotExistException", "nobody-1"},
		{"TerminateSession", object{"SessionId": "nobody-1"}, "DoesNotExistException", "nobody-1"},
		{"TerminateSession", object{"SessionId": strings.Repeat("x", 97)}, "ValidationException", "less than or equal to 96"},
		{"DescribeSessions", object{}, "ValidationException", "Value null at 'state'"},
		{"DescribeSessions", object{"State": "Open"}, "ValidationException", "enum value set: [Active, History]"},
		{"DescribeSessions", object{"State": "Active", "Filters": []object{{"key": "Colour", "value": "x"}}}, "ValidationException", "enum value set"},
		{"DescribeSessions", object{"State": "Active", "NextToken": "x"}, "InvalidNextToken", ""},
		{"GetDocument", object{"Name": "NoSuchDocument"}, "InvalidDocument", "NoSuchDocument"},
		{"GetDocument", object{"Name": "AWS-StartSSHSession", "DocumentVersion": "7"}, "InvalidDocumentVersion", "7"},
		{"DescribeDocument", object{"Name": "x"}, "ValidationException", "'name' failed"},
	}
	for _, tt := range tests {
		t.Run(tt.operation+asJSON(t, tt.input), func(t *testing.T) {
			l.refused(t, tt.operation, tt.input, tt.code, tt.text)
		})
	}
	if n := len(l.Sessions()); n != 0 {
		t.Errorf("%d sessions were started by refused calls", n)
	}
}

func TestGetConnectionStatus(t *testing.T) {
	l := mixedLab(t)
	for target, want := range map[string]string{l.nodes[0].id: "connected", l.nodes[14].id: "notconnected", "i-0fffffffffffffff0": "notconnected"} {
		got := l.ssm(t, "GetConnectionStatus", object{"Target": target})
		if diff := cmp.Diff(object{"Target": target, "Status": want}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestDocumentsAreAWSs(t *testing.T) {
	l := mixedLab(t)
	types := map[string]string{
		"SSM-SessionManagerRunShell":                 "Standard_Stream",
		"AWS-StartInteractiveCommand":                "InteractiveCommands",
		"AWS-StartNonInteractiveCommand":             "NonInteractiveCommands",
		"AWS-StartPortForwardingSession":             "Port",
		"AWS-StartPortForwardingSessionToRemoteHost": "Port",
		"AWS-StartSSHSession":                        "Port",
	}
	for name, want := range types {
		got := l.ssm(t, "GetDocument", object{"Name": "arn:aws:ssm:eu-west-1::document/" + name})
		var content struct {
			SchemaVersion, SessionType string
			Parameters                 map[string]any
		}
		if err := json.Unmarshal([]byte(got["Content"].(string)), &content); err != nil {
			t.Fatal(err)
		}
		if content.SchemaVersion != "1.0" || content.SessionType != want || got["DocumentType"] != "Session" || got["DocumentFormat"] != "JSON" {
			t.Errorf("%s: %v %v", name, got, content)
		}
		described := l.ssm(t, "DescribeDocument", object{"Name": name})["Document"].(object)
		if n := len(described["Parameters"].([]any)); n != len(content.Parameters) {
			t.Errorf("%s: DescribeDocument has %d parameters, the content %d", name, n, len(content.Parameters))
		}
	}
}

func TestDocumentParametersAreSubstitutedOnce(t *testing.T) {
	docs, err := loadDocuments(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, refusal := docs["AWS-StartNonInteractiveCommand"].bind(map[string][]string{"command": {`echo "{{stdoutSeparatorPrefix}}" <&>`}})
	if refusal != nil {
		t.Fatal(refusal)
	}
	var byPlatform map[string]commandProperties
	if err := json.Unmarshal(got, &byPlatform); err != nil {
		t.Fatal(err)
	}
	want := commandProperties{Commands: `echo "{{stdoutSeparatorPrefix}}" <&>`, SeparateOutputStream: "false"}
	if diff := cmp.Diff(want, byPlatform["linux"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestGetResources(t *testing.T) {
	l := mixedLab(t)
	find := func(input object) []string {
		t.Helper()
		var arns []string
		for {
			status, answer := l.send(t, signedCall{service: "tagging", target: "ResourceGroupsTaggingAPI_20170126.GetResources", body: asJSON(t, input)})
			if status != 200 {
				t.Fatalf("%v", answer)
			}
			for _, m := range answer["ResourceTagMappingList"].([]any) {
				arns = append(arns, m.(object)["ResourceARN"].(string))
			}
			if answer["PaginationToken"] == "" {
				return arns
			}
			input["PaginationToken"] = answer["PaginationToken"]
		}
	}
	if got := find(object{"ResourcesPerPage": 4}); len(got) != 15 {
		t.Errorf("%d resources over all pages, want 15", len(got))
	}
	db := []string{"arn:aws:ec2:eu-west-1:000000000000:instance/i-0123456789abcdef0"}
	if got := find(object{"ResourceTypeFilters": []string{"ec2:instance"}, "TagFilters": []object{{"Key": "Role", "Values": []string{"db"}}}}); !slices.Equal(got, db) {
		t.Errorf("got %v, want %v", got, db)
	}
	if got := find(object{"ResourceARNList": db}); !slices.Equal(got, db) {
		t.Errorf("got %v, want %v", got, db)
	}
	if got := find(object{"ResourceTypeFilters": []string{"s3"}}); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

func TestStartRateThrottles(t *testing.T) {
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}, Faults: hclspec.Faults{StartRate: 0.001}}, Options{})
	l.ssm(t, "StartSession", object{"Target": l.nodes[0].id})
	l.refused(t, "StartSession", object{"Target": l.nodes[0].id}, "ThrottlingException", "Rate exceeded")
}

func TestStartLimitRefillsAtItsRate(t *testing.T) {
	limit := newStartLimit(3)
	begin := time.Now()
	var got []bool
	for _, at := range []time.Duration{0, 0, 0, 0, 300 * time.Millisecond, 350 * time.Millisecond, 10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second} {
		got = append(got, limit.allow(begin.Add(at)))
	}
	want := []bool{true, true, true, false, false, true, true, true, true, false}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCallerIdentity(t *testing.T) {
	l := mixedLab(t)
	// The Query protocol signs like any other; a wrong signature answers in XML.
	form := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}
	resp, err := http.PostForm(l.Endpoint(), form)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 403 || !strings.Contains(string(text), "<Code>MissingAuthenticationToken</Code>") {
		t.Errorf("got %d %s, want 403 MissingAuthenticationToken", resp.StatusCode, text)
	}
}
