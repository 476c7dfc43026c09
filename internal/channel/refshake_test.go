package channel

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// The reference agent's handshake and its encryption.

const refTarget = "i-1"

// requestHandshake asks for the session type and, with a key, for encryption.
func (a *refAgent) requestHandshake() {
	properties := "null"
	if a.properties != "" {
		properties = a.properties
	}
	request := fmt.Sprintf(`{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":%q,"Properties":%s}}`, a.kind, properties)
	if a.key != "" {
		a.crypt = nil
		challenge := base64.StdEncoding.EncodeToString(a.random(16))
		a.await(6, func(p []byte) { a.agreed(p, challenge) })
		a.send(5, fmt.Appendf(nil, `%s,{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":%q,"Challenge":%q}}]}`, request, a.key, challenge))
		return
	}
	a.await(6, func(p []byte) { a.agreed(p, "") })
	a.send(5, []byte(request+"]}"))
}

// await says what to do with the next reply.
func (a *refAgent) await(payloadType int, then func([]byte)) {
	a.shaking, a.then = payloadType, then
	if a.replyWait > 0 {
		a.after(a.replyWait, func() {
			if a.shaking == payloadType {
				a.end("Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
			}
		})
	}
}

func (a *refAgent) reply(payloadType int, p []byte) {
	if payloadType != a.shaking {
		a.complain("a reply of the handshake, payload type %d, where %d was due", payloadType, a.shaking)
		return
	}
	a.shaking = 0
	a.then(p)
}

// agreed takes the handshake's response.
func (a *refAgent) agreed(p []byte, challenge string) {
	var response struct {
		ClientVersion          string
		ProcessedClientActions []struct {
			ActionType   string
			ActionStatus int
			ActionResult struct {
				KMSCipherTextKey         []byte
				ChallengeAcknowledgement bool
			}
			Error string
		}
	}
	if err := json.Unmarshal(p, &response); err != nil || response.ClientVersion == "" {
		a.complain("the handshake's response is %q: %v", p, err)
		return
	}
	done := map[string]bool{}
	for _, action := range response.ProcessedClientActions {
		done[action.ActionType] = true
		if action.ActionStatus != 1 {
			a.end(fmt.Sprintf("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error))
			return
		}
		if action.ActionType != "KMSEncryption" {
			continue
		}
		bound := map[string]string{"aws:ssm:SessionId": "s-1", "aws:ssm:TargetId": refTarget}
		if action.ActionResult.ChallengeAcknowledgement {
			bound["aws:ssm:RandomChallenge"] = challenge
		}
		key, err := refDecrypt(action.ActionResult.KMSCipherTextKey, bound)
		if err != nil {
			a.end(err.Error())
			return
		}
		a.crypt = newRefCrypt(key, a.random(12))
	}
	if !done["SessionType"] || a.key != "" && !done["KMSEncryption"] {
		a.complain("the handshake's response leaves out an action: %q", p)
	}
	if a.crypt == nil {
		a.handshaken()
		return
	}
	secret := a.random(64)
	a.await(9, func(p []byte) { a.challenged(p, secret) })
	text := base64.StdEncoding.EncodeToString(a.crypt.seal(secret))
	a.send(8, fmt.Appendf(nil, `{"Challenge":%q}`, text))
}

// challenged takes the answer to the challenge.
func (a *refAgent) challenged(p, secret []byte) {
	var answer struct{ Challenge []byte }
	err := json.Unmarshal(p, &answer)
	if err == nil {
		answer.Challenge, err = a.crypt.open(answer.Challenge)
	}
	if err != nil || !bytes.Equal(answer.Challenge, secret) {
		a.complain("the challenge was answered by %q: %v", p, err)
		return
	}
	a.handshaken()
}

func (a *refAgent) handshaken() {
	message := ""
	if a.crypt != nil {
		message = "This session is encrypted using AWS KMS."
	}
	a.send(7, fmt.Appendf(nil, `{"HandshakeTimeToComplete":%d,"CustomerMessage":%q}`, time.Since(a.started), message))
	a.open()
}

func (a *refAgent) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(a.rng.Uint32())
	}
	return b
}

// refCrypt is AES-256-GCM without additional data: nonce, ciphertext, tag.
type refCrypt struct {
	out, in cipher.AEAD
	nonce   []byte // counts, its first byte the least
}

func newRefCrypt(key, nonce []byte) *refCrypt {
	gcm := func(key []byte) cipher.AEAD {
		block, err := aes.NewCipher(key)
		if err != nil {
			panic(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		return aead
	}
	return &refCrypt{out: gcm(key[:32]), in: gcm(key[32:]), nonce: nonce}
}

func (c *refCrypt) seal(p []byte) []byte {
	for i := range c.nonce {
		if c.nonce[i]++; c.nonce[i] != 0 {
			break
		}
	}
	return c.out.Seal(bytes.Clone(c.nonce), c.nonce, p, nil)
}

func (c *refCrypt) open(p []byte) ([]byte, error) {
	if len(p) < 12+16 {
		return nil, errors.New("too short to be encrypted")
	}
	return c.in.Open(nil, p[:12], p[12:], nil)
}

// refSealed is a data key as this KMS encrypts it.
type refSealed struct {
	C map[string]string
	K []byte
}

// refDataKey is KMS's GenerateDataKey, for Config.DataKey. The key follows from
// what it is bound to, so that a session can be replayed.
func refDataKey(_ context.Context, keyID string, bound map[string]string) (plaintext, ciphertext []byte, err error) {
	sum := sha512.Sum512(fmt.Append(nil, keyID, bound))
	blob, err := json.Marshal(refSealed{bound, sum[:]})
	return sum[:], blob, err
}

func refDecrypt(blob []byte, bound map[string]string) ([]byte, error) {
	var sealed refSealed
	if err := json.Unmarshal(blob, &sealed); err != nil || !maps.Equal(sealed.C, bound) || len(sealed.K) != 64 {
		return nil, fmt.Errorf("InvalidCiphertextException: bound to %v, not %v", sealed.C, bound)
	}
	return sealed.K, nil
}
