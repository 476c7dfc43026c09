package channel

import (
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

func FuzzOpen(f *testing.F) {
	toClient, _, _, _ := bothCiphers(f)
	f.Add(toClient.seal([]byte("hello")))
	f.Add(toClient.seal(nil))
	f.Add([]byte(nil))
	f.Add(make([]byte, nonceSize+tagSize))
	_, _, o, _ := bothCiphers(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var plain []byte
		var n nonce
		var err error
		o := &opener{aead: o.aead, types: o.types}
		bounds.Check(t, bounds.Wire(len(payload)), func() { plain, n, err = o.open(payload) })
		if err != nil {
			wantDecryptError(t, "open", err)
			wantRefusal(t, err)
			return
		}
		if len(plain) != len(payload)-nonceSize-tagSize || o.spend(n) != nil {
			t.Fatalf("%d bytes became %d", len(payload), len(plain))
		}
		_, _, err = o.open(payload)
		wantDecryptError(t, "again", err)
	})
}

func FuzzOpenChallenge(f *testing.F) {
	recordedPayloads(f, func(m *Message) bool {
		return m.PayloadType == PayloadEncChallengeRequest || m.PayloadType == PayloadEncChallengeResponse
	})
	_, _, o, _ := bothCiphers(f)
	fuzzPayload(f, ParseEncChallenge, func(t *testing.T, payload []byte, _ EncChallenge) {
		o := &opener{aead: o.aead, types: o.types}
		var err error
		bounds.Check(t, bounds.Wire(len(payload)), func() { _, err = openChallenge(o, payload) })
		if err != nil {
			wantRefusal(t, err)
		}
	})
}

func FuzzKMSParameters(f *testing.F) {
	f.Add([]byte(`{"KMSKeyId":"alias/ssm","Challenge":"AAAA"}`))
	f.Add([]byte(`{"KMSKeyId":"arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"}`))
	fuzzPayload(f, ParseKMSParameters, func(t *testing.T, _ []byte, v KMSParameters) {
		if v.KMSKeyID == "" || otherKey(v.KMSKeyID, v.KMSKeyID) {
			t.Fatalf("accepted %+v", v)
		}
		otherKey(v.KMSKeyID, v.Challenge)
		otherKey(v.Challenge, v.KMSKeyID)
	})
}

func FuzzKMSResult(f *testing.F) {
	f.Add([]byte(`{"KMSCipherTextKey":"AAAA","KMSCipherTextHash":null,"ChallengeAcknowledgement":true}`))
	fuzzPayload(f, ParseKMSResult, func(t *testing.T, _ []byte, v KMSResult) {
		if len(v.KMSCipherTextKey) == 0 {
			t.Fatal("accepted without a key")
		}
	})
}
