package plan

import (
	"strings"
	"testing"
)

const pinnedKey = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"

func TestEncryptionIsTheSessionsOrItsProviders(t *testing.T) {
	b := newBench(t, 1)
	p := b.plan(`
provider "aws" {
  kms_key_id = "alias/ssm"
}
variable "key" { default = "` + pinnedKey + `" }
targets "all" { tags = { Role = "web" } }
session "of_the_provider" {
  target = targets.all
  step "x" { command = "true" }
}
session "own" {
  target             = targets.all
  require_encryption = true
  kms_key_id         = var.key
  step "x" { command = "true" }
}
session "cannot_lift_it" {
  target             = targets.all
  require_encryption = false
  step "x" { command = "true" }
}
`)
	for i, want := range []string{"alias/ssm", pinnedKey, "alias/ssm"} {
		required, keys := p.Encryption(p.Sessions[i])
		if !required || strings.Join(keys, " ") != want {
			t.Errorf("%s: required %v, keys %v, want %s", p.Sessions[i].Address, required, keys, want)
		}
	}
	if s := p.Sessions[0]; s.RequireEncryption || s.KMSKeyID != "" {
		t.Errorf("the session says nothing, and has %+v", s)
	}
	text, err := p.JSON()
	if err != nil || strings.Count(string(text), `"require_encryption"`) != 2 || !strings.Contains(string(text), pinnedKey) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestEncryptionMistakes(t *testing.T) {
	for attributes, want := range map[string]string{
		`kms_key_id = "my key"`:                              "Bad KMS key",
		`kms_key_id = "arn:aws:s3:::bucket"`:                 "Bad KMS key",
		"kms_key_id = \"alias/x\"\nrequire_encryption=false": "Key without encryption",
		`require_encryption = "perhaps"`:                     "require_encryption",
		`kms_key_id = sensitive("alias/x")`:                  "kms_key_id",
		`kms_key_id = run.id`:                                "run",
	} {
		for _, block := range []string{"provider \"aws\" {\nATTRIBUTES\n}\nsession \"s\" {\n", "session \"s\" {\nATTRIBUTES\n"} {
			wantText(t, newBench(t, 1).refuse(strings.Replace(block, "ATTRIBUTES", attributes, 1)+
				"target = \"i-00000000000000001\"\nstep \"x\" { command = \"true\" }\n}\n"), want)
		}
	}
}

func TestRequiredEncryptionThatTheAccountLacksIsAWarning(t *testing.T) {
	const source = `
session "s" {
  target             = "i-00000000000000001"
  require_encryption = true
  step "x" { command = "true" }
}
`
	for key, warnings := range map[string]int{"": 1, "alias/ssm": 0} {
		b := newBench(t, 1)
		b.docs[DocumentRef{"aws", ""}] = Document{SessionType: "Standard_Stream", KMSKeyID: key}
		if p := b.plan(source); len(p.Warnings) != warnings {
			t.Errorf("key %q: %v", key, p.Warnings)
		}
	}
}
