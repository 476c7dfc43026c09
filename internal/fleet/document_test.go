package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ssmrun/ssmrun/internal/bounds"
	"github.com/ssmrun/ssmrun/internal/plan"
)

const nonInteractive = `{
  "schemaVersion": "1.0",
  "description": "run a command",
  "sessionType": "NonInteractiveCommands",
  "parameters": {
    "command": {"type": "String"},
    "separateOutputStream": {"type": "String", "default": "false"}
  },
  "inputs": {
    "s3BucketName": "logs", "cloudWatchLogGroupName": "ssm", "kmsKeyId": "alias/ssm",
    "runAsEnabled": true, "runAsDefaultUser": "ops",
    "idleSessionTimeout": 15, "maxSessionDuration": "60",
    "shellProfile": {"linux": "exec bash", "windows": ""}
  },
  "properties": {"linux": {"command": "{{ command }}"}}
}`

func TestDocuments(t *testing.T) {
	s := &service{documents: map[string]string{
		"Ours":  nonInteractive,
		"Plain": `{"schemaVersion":"1.0","sessionType":"InteractiveCommands","inputs":{"idleSessionTimeout":"","runAsEnabled":"false","runAsDefaultUser":"x"}}`,
	}}
	f := inMemory(t, s, Options{})
	ref := func(name string) plan.DocumentRef { return plan.DocumentRef{Provider: "aws", Name: name} }
	docs, err := f.Documents(t.Context(), []plan.DocumentRef{ref("Ours"), ref("Plain"), ref(""), ref("Ours")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[plan.DocumentRef]plan.Document{
		ref("Ours"): {
			Name: "Ours", Version: "3", SessionType: "NonInteractiveCommands", SeparateOutputStream: true,
			Parameters: []string{"command", "separateOutputStream"}, Required: []string{"command"},
			RunAs: "ops", ShellProfile: "exec bash", KMSKeyID: "alias/ssm", LogSinks: []string{"s3://logs", "cloudwatch:ssm"},
			IdleTimeout: 15 * time.Minute, MaxSessionTime: time.Hour,
		},
		ref("Plain"): {Name: "Plain", Version: "3", SessionType: "InteractiveCommands", IdleTimeout: 20 * time.Minute},
		ref(""):      {SessionType: "Standard_Stream", IdleTimeout: 20 * time.Minute},
	}
	if diff := cmp.Diff(want, docs, cmpopts.IgnoreFields(plan.Document{}, "Hash")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if h := docs[ref("Ours")].Hash; len(h) != 64 || h == docs[ref("Plain")].Hash {
		t.Errorf("hash %q", h)
	}
	if n := s.count("GetDocument"); n != 3 {
		t.Errorf("%d GetDocument calls for three documents", n)
	}
}

func TestDocumentsThatAreNoGood(t *testing.T) {
	f := inMemory(t, &service{documents: map[string]string{"Broken": "schemaVersion: '1.0'\n"}}, Options{})
	_, err := f.Documents(t.Context(), []plan.DocumentRef{{Provider: "aws", Name: "Nope"}, {Provider: "aws", Name: "Broken"}})
	if want := `read document "Broken": parse its content as JSON`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q is not in: %v", want, err)
	}
	nope := plan.DocumentRef{Provider: "aws", Name: "Nope"}
	docs, err := f.Documents(t.Context(), []plan.DocumentRef{nope})
	if got := docs[nope].Defect; err != nil || !strings.Contains(got, `document "Nope" does not exist`) || !strings.Contains(got, "provider aws") {
		t.Errorf("defect %q, %v", got, err)
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(nonInteractive))
	f.Add([]byte(`{"inputs":{"idleSessionTimeout":1e99,"kmsKeyId":[1]}}`))
	f.Add([]byte(`{"inputs":{"kmsKeyId":` + strings.Repeat("[", 9<<10)))
	f.Add([]byte(`{"parameters":{"a":{}` + strings.Repeat(`,"a":{}`, 2<<10) + `}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var doc plan.Document
		var err error
		// Each parameter is an entry of a map and its default a value.
		bounds.Check(t, 64<<10+128*len(content), func() { doc, err = parseDocument(content) })
		if err == nil && doc.IdleTimeout <= 0 {
			t.Errorf("idle timeout %v", doc.IdleTimeout)
		}
	})
}
