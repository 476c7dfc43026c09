package channel

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// testKey is a data key that tests can name.
var testKey = bytes.Repeat([]byte("0123456789abcdef"), dataKeySize/16)

// bothCiphers returns the two directions of a session with testKey.
func bothCiphers(t testing.TB) (toClient, toAgent *sealer, ofClient, ofAgent *opener) {
	t.Helper()
	key := bytes.Clone(testKey)
	key[0]++ // the halves differ
	toAgent, ofClient, err := newCiphers(key, clientRole)
	if err != nil {
		t.Fatal(err)
	}
	toClient, ofAgent, err = newCiphers(key, agentRole)
	if err != nil {
		t.Fatal(err)
	}
	return toClient, toAgent, ofClient, ofAgent
}

func wantDecryptError(t testing.TB, what string, err error) {
	t.Helper()
	var protocol *ProtocolError
	if !errors.Is(err, ErrDecrypt) || !errors.As(err, &protocol) {
		t.Errorf("%s: got %v, want an ErrDecrypt in a ProtocolError", what, err)
	}
}

func TestCiphersRefuseWhatIsNotFromTheOtherEnd(t *testing.T) {
	toClient, toAgent, ofClient, ofAgent := bothCiphers(t)
	good := toClient.seal([]byte("hello"))
	if len(good) != len("hello")+nonceSize+tagSize {
		t.Errorf("%d bytes", len(good))
	}
	for i := range len(good) {
		_, _, err := ofClient.open(good[:i])
		wantDecryptError(t, "cut", err)
		bad := bytes.Clone(good)
		bad[i] ^= 1
		_, _, err = ofClient.open(bad)
		wantDecryptError(t, "altered", err)
	}
	_, _, err := ofClient.open(toAgent.seal([]byte("our own, reflected")))
	wantDecryptError(t, "reflected", err)
	_, _, err = ofAgent.open(good)
	wantDecryptError(t, "reflected", err)

	for range 2 { // what was not spent may come again
		plain, n, err := ofClient.open(good)
		if err != nil || string(plain) != "hello" {
			t.Fatalf("got %q, %v", plain, err)
		}
		defer ofClient.spend(n)
	}
	plain, n, err := ofClient.open(toClient.seal(nil))
	if err != nil || len(plain) != 0 || ofClient.spend(n) != nil {
		t.Errorf("nothing, encrypted: %q, %v", plain, err)
	}
}

func TestASpentNonceIsRefused(t *testing.T) {
	toClient, toAgent, ofClient, ofAgent := bothCiphers(t)
	for name, c := range map[string]struct {
		from *sealer
		to   *opener
	}{"counted": {toClient, ofClient}, "random": {toAgent, ofAgent}} {
		var sent [][]byte
		for range 50 {
			sent = append(sent, c.from.seal([]byte("x")))
			_, n, err := c.to.open(sent[len(sent)-1])
			if err != nil || c.to.spend(n) != nil {
				t.Fatal(err)
			}
		}
		for _, old := range sent {
			_, _, err := c.to.open(old)
			wantDecryptError(t, name, err)
		}
	}
	if n := len(ofClient.spent.loose); n != 0 {
		t.Errorf("nonces that count take memory: %d are loose", n)
	}
}

func TestADataKeyHasItsSize(t *testing.T) {
	for _, n := range []int{0, 32, 63, 65} {
		if _, _, err := newCiphers(make([]byte, n), clientRole); err == nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
}

// The set of nonces against a plain one, over numbers that wrap around.
func TestNoncesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]nonce{{}, {250}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}).Draw(t, "base")
		var set nonces
		model := map[nonce]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "adds") {
			n := base
			for range rapid.IntRange(0, 20).Draw(t, "up") {
				n = n.add(1)
			}
			if set.has(n) != model[n] {
				t.Fatalf("%x: has is %v, want %v; %+v", n, set.has(n), model[n], set)
			}
			if !model[n] && !set.add(n) {
				t.Fatal("no room")
			}
			model[n] = true
		}
		for n := range set.loose {
			if inRun(n, set.first, set.last) || n == set.last.add(1) || n == set.first.add(-1) {
				t.Fatalf("%x is loose beside the run: %+v", n, set)
			}
		}
	})
}

func TestNoncesThatCannotBeRememberedAreRefused(t *testing.T) {
	set := nonces{loose: make(map[nonce]struct{}, maxLooseNonces)}
	set.add(nonce{})
	for i := range maxLooseNonces {
		if !set.add(nonce{0, byte(i), byte(i >> 8), byte(i >> 16), 1}) {
			t.Fatalf("no room for %d", i)
		}
	}
	if set.add(nonce{9: 9}) {
		t.Error("memory is not bounded")
	}
	if !set.add(nonce{1}) {
		t.Error("a nonce that counts needs no room")
	}
}

func TestPinnedKeysAreCompared(t *testing.T) {
	const (
		id    = "11111111-2222-3333-4444-555555555555"
		arn   = "arn:aws:kms:us-east-1:123456789012:key/" + id
		alias = "arn:aws:kms:us-east-1:123456789012:alias/ssm"
	)
	for _, c := range []struct {
		pinned, named string
		other         bool
	}{
		{id, id, false}, {arn, arn, false}, {"alias/ssm", "alias/ssm", false},
		{arn, id, false}, {id, arn, false}, {"alias/ssm", alias, false}, {alias, "alias/ssm", false},
		{arn, "alias/ssm", false}, {"alias/ssm", id, false}, // KMS compares
		{id, "2" + id[1:], true}, {arn, "2" + id[1:], true}, {"alias/ssm", "alias/other", true},
		{alias, "arn:aws:kms:us-east-1:123456789012:alias/ssm2", true},
		{arn, "arn:aws:kms:us-east-1:999999999999:key/" + id, true},
		{arn, "arn:aws:kms:eu-west-1:123456789012:key/" + id, true},
		{arn, "arn:aws:kms:us-east-1:999999999999:alias/ssm", true},
		{id, "", true}, {id, "arn:", true}, {"alias/ssm", "alias/", true},
	} {
		if got := otherKey(c.pinned, c.named); got != c.other {
			t.Errorf("pinned %s, named %s: %v, want %v", c.pinned, c.named, got, c.other)
		}
	}
}
