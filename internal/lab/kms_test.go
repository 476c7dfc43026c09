package lab

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func encryptedLab(t testing.TB, change ...func(*hclspec.KMS)) *Lab {
	t.Helper()
	key := &hclspec.KMS{KeyID: "alias/ssm", State: "Enabled"}
	for _, f := range change {
		f(key)
	}
	return startLab(t, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}, Agent: quickAgent, KMS: key}, Options{})
}

func (l *Lab) kms(t testing.TB, operation string, input any) (int, object) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	return l.send(t, signedCall{service: "kms", target: "TrentService." + operation, body: string(body)})
}

// encrypting lets a client get its data key from the lab's KMS.
func (l *Lab) encrypting(t testing.TB) func(*channel.Config) {
	return func(c *channel.Config) {
		c.TargetID, c.RequireEncryption = l.nodes[0].id, true
		c.DataKey = func(_ context.Context, keyID string, bound map[string]string) ([]byte, []byte, error) {
			status, answer := l.kms(t, "GenerateDataKey", object{"KeyId": keyID, "NumberOfBytes": 64, "EncryptionContext": bound})
			if status != 200 {
				return nil, nil, fmt.Errorf("%v: %v", answer["__type"], answer["message"])
			}
			plaintext, err := base64.StdEncoding.DecodeString(answer["Plaintext"].(string))
			if err != nil {
				return nil, nil, err
			}
			ciphertext, err := base64.StdEncoding.DecodeString(answer["CiphertextBlob"].(string))
			return plaintext, ciphertext, err
		}
	}
}

func TestSessionsOfEveryShellKindAreEncrypted(t *testing.T) {
	l := encryptedLab(t, func(k *hclspec.KMS) { k.RequireChallenge = true })
	target := l.nodes[0].id
	shell := l.open(t, object{"Target": target}, l.encrypting(t))
	if _, err := shell.Write([]byte("echo a$((40+2))b; exit\n")); err != nil {
		t.Fatal(err)
	}
	shell.expect("a42b")
	shell.wait()
	interactive := l.open(t, object{"Target": target, "DocumentName": "AWS-StartInteractiveCommand",
		"Parameters": object{"command": []string{"echo a$((40+2))b"}}}, l.encrypting(t))
	interactive.expect("a42b")
	interactive.wait()
	command := l.open(t, object{"Target": target, "DocumentName": "AWS-StartNonInteractiveCommand",
		"Parameters": object{"command": []string{"sh -c 'echo out; echo err >&2; exit 3'"}, "separateOutputStream": []string{"true"}}}, l.encrypting(t))
	if code := command.wait(); code != 3 || command.stdout.String() != "out\n" || command.stderr.String() != "err\n" {
		t.Errorf("got %d, %q, %q", code, command.stdout, command.stderr)
	}
	for _, c := range []*client{shell, interactive, command} {
		if !c.Encrypted() {
			t.Errorf("%s is not encrypted", c.Type())
		}
	}
	if shell.Type() != "Standard_Stream" || shell.CustomerMessage() != "This session is encrypted using AWS KMS." {
		t.Errorf("type %q, message %q", shell.Type(), shell.CustomerMessage())
	}
}

func TestThePreferencesNameTheKey(t *testing.T) {
	l := encryptedLab(t)
	answer := l.ssm(t, "GetDocument", object{"Name": defaultDocument})
	var content struct {
		Inputs struct{ KmsKeyId string }
	}
	if err := json.Unmarshal([]byte(answer["Content"].(string)), &content); err != nil || content.Inputs.KmsKeyId != "alias/ssm" {
		t.Errorf("%v in %s", err, answer["Content"])
	}
}

// A session that cannot be encrypted runs nothing, whichever end cannot.
func TestAKeyThatCannotBeUsedEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*hclspec.KMS)
		want   string
	}{
		"client denied": {func(k *hclspec.KMS) { k.Deny = []string{"GenerateDataKey"} }, "AccessDeniedException"},
		"node denied":   {func(k *hclspec.KMS) { k.Deny = []string{"Decrypt"} }, "AccessDeniedException"},
		"disabled":      {func(k *hclspec.KMS) { k.State = "Disabled" }, "DisabledException"},
		"to be deleted": {func(k *hclspec.KMS) { k.State = "PendingDeletion" }, "KMSInvalidStateException"},
	} {
		t.Run(name, func(t *testing.T) {
			l := encryptedLab(t, c.change)
			s := l.open(t, object{"Target": l.nodes[0].id, "DocumentName": "AWS-StartNonInteractiveCommand",
				"Parameters": object{"command": []string{"touch ran"}}}, l.encrypting(t))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := s.Wait(ctx)
			var missing *channel.ExitMissingError
			if !errors.As(err, &missing) || !strings.Contains(missing.Error(), c.want) {
				t.Errorf("ended with %v", err)
			}
			if n := l.Processes(); n != 0 {
				t.Errorf("%d processes", n)
			}
			if s.Encrypted() || s.stdout.String() != "" {
				t.Error("the session went on")
			}
		})
	}
}

func TestKMSRefusals(t *testing.T) {
	l := encryptedLab(t)
	bound := object{"aws:ssm:SessionId": "s-1"}
	status, made := l.kms(t, "GenerateDataKey", object{"KeyId": "alias/ssm", "NumberOfBytes": 64, "EncryptionContext": bound})
	if status != 200 {
		t.Fatalf("%d %v", status, made)
	}
	arn := made["KeyId"].(string)
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	for _, name := range []string{"alias/ssm", id, arn, "arn:aws:kms:eu-west-1:000000000000:alias/ssm"} {
		status, got := l.kms(t, "Decrypt", object{"KeyId": name, "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": bound})
		if status != 200 || got["Plaintext"] != made["Plaintext"] || got["KeyId"] != arn {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if status, got := l.kms(t, "GenerateDataKey", object{"KeyId": id, "KeySpec": "AES_128"}); status != 200 || len(got["Plaintext"].(string)) != 24 {
		t.Errorf("AES_128: %d %v", status, got)
	}
	spoiled, err := base64.StdEncoding.DecodeString(made["CiphertextBlob"].(string))
	if err != nil {
		t.Fatal(err)
	}
	spoiled[20] ^= 1
	for _, c := range []struct {
		operation string
		input     object
		want      string
	}{
		{"Decrypt", object{"CiphertextBlob": made["CiphertextBlob"]}, "InvalidCiphertextException"},
		{"Decrypt", object{"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": object{"aws:ssm:SessionId": "s-2"}}, "InvalidCiphertextException"},
		{"Decrypt", object{"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": object{"aws:ssm:SessionId": "s-1", "more": "x"}}, "InvalidCiphertextException"},
		{"Decrypt", object{"CiphertextBlob": spoiled, "EncryptionContext": bound}, "InvalidCiphertextException"},
		{"Decrypt", object{"CiphertextBlob": "AQ==", "EncryptionContext": bound}, "InvalidCiphertextException"},
		{"Decrypt", object{"CiphertextBlob": "", "EncryptionContext": bound}, "ValidationException"},
		{"Decrypt", object{"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": bound, "KeyId": "alias/other"}, "NotFoundException"},
		{"GenerateDataKey", object{"KeyId": "alias/other", "NumberOfBytes": 64}, "NotFoundException"},
		{"GenerateDataKey", object{"KeyId": "arn:aws:kms:eu-west-1:111122223333:key/" + id, "NumberOfBytes": 64}, "NotFoundException"},
		{"GenerateDataKey", object{"KeyId": id}, "ValidationException"},
		{"GenerateDataKey", object{"KeyId": id, "NumberOfBytes": 64, "KeySpec": "AES_256"}, "ValidationException"},
		{"GenerateDataKey", object{"KeyId": id, "NumberOfBytes": 1025}, "ValidationException"},
		{"GenerateDataKey", object{"NumberOfBytes": 64}, "ValidationException"},
		{"Encrypt", object{"KeyId": id}, "UnknownOperationException"},
	} {
		if status, got := l.kms(t, c.operation, c.input); status != 400 || got["__type"] != c.want {
			t.Errorf("%s %v: %d %v, want %s", c.operation, c.input, status, got, c.want)
		}
	}
	plain := startLab(t, &hclspec.Lab{Nodes: []*hclspec.Nodes{webNodes(1)}, Agent: quickAgent}, Options{})
	if status, got := plain.kms(t, "GenerateDataKey", object{"KeyId": id, "NumberOfBytes": 64}); got["__type"] != "NotFoundException" {
		t.Errorf("a lab without a key: %d %v", status, got)
	}
}

func TestNodesHaveKeysOfTheirOwn(t *testing.T) {
	own := webNodes(1)
	own.Label, own.KMS = "own", &hclspec.KMS{KeyID: "alias/own", State: "Enabled"}
	gone := webNodes(1)
	gone.Label, gone.KMS = "gone", &hclspec.KMS{KeyID: "alias/gone", State: "Disabled"}
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{own, gone, webNodes(1)}}, Options{})
	run := func(i int, want bool) error {
		t.Helper()
		c := l.open(t, runInput(l.nodes[i], "echo out"), l.encrypting(t), func(c *channel.Config) {
			c.TargetID, c.RequireEncryption = l.nodes[i].id, want
		})
		return ending(t, c)
	}
	if err := run(0, true); err != nil {
		t.Errorf("own key: %v", err)
	}
	if err := run(1, true); err == nil || !strings.Contains(err.Error(), "DisabledException") {
		t.Errorf("disabled key: %v", err)
	}
	if err := run(2, false); err != nil {
		t.Errorf("no key: %v", err)
	}
	_, made := l.kms(t, "GenerateDataKey", object{"KeyId": "alias/own", "NumberOfBytes": 64})
	if _, got := l.kms(t, "Decrypt", object{"KeyId": "alias/own", "CiphertextBlob": made["CiphertextBlob"]}); got["Plaintext"] != made["Plaintext"] {
		t.Errorf("decrypt by its own key: %v", got)
	}
}
