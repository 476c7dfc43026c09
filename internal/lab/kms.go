package lab

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// keyRing is the lab's KMS: one key, which never leaves it. What it encrypts is
// bound to its encryption context, as in KMS:
// https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
type keyRing struct {
	spec  hclspec.KMS
	id    string // the key's id
	alias string // alias/NAME, or ""
	aead  cipher.AEAD
}

const kmsScope = ":" + accountID + ":"

// newKeyRing returns nil without a kms block: then there is no key.
func newKeyRing(spec *hclspec.KMS) (*keyRing, error) {
	if spec == nil {
		return nil, nil
	}
	k := &keyRing{spec: *spec}
	name := spec.KeyID
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndexByte(name, ':')+1:]
	}
	if strings.HasPrefix(name, "alias/") {
		sum := sha256.Sum256([]byte(name)) // the same id every time
		k.alias, k.id = name, fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	} else {
		k.id = strings.TrimPrefix(name, "key/")
	}
	block, err := aes.NewCipher(randomBytes(32))
	if err != nil {
		return nil, fmt.Errorf("make the lab's KMS key: %w", err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("make the lab's KMS key: %w", err)
	}
	return k, nil
}

func (k *keyRing) arn(region string) string {
	return "arn:aws:kms:" + region + kmsScope + "key/" + k.id
}

// find refuses a name that is not the key's, and a key that cannot be used. A nil
// keyRing has no key.
func (k *keyRing) find(name, region, operation string) *apiError {
	bare := name
	if strings.HasPrefix(name, "arn:aws:kms:") {
		if _, rest, ok := strings.Cut(name, kmsScope); ok {
			bare = strings.TrimPrefix(rest, "key/")
		}
	}
	switch {
	case k != nil && (bare == k.id || bare == k.alias && k.alias != ""):
	case strings.HasPrefix(bare, "alias/"):
		return refuse("NotFoundException", "Alias arn:aws:kms:%s:%s:%s is not found.", region, accountID, bare)
	default:
		return refuse("NotFoundException", "Key 'arn:aws:kms:%s:%s:key/%s' does not exist", region, accountID, bare)
	}
	arn := k.arn(region)
	switch {
	case slices.Contains(k.spec.Deny, operation):
		return refuse("AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s "+
			"because no identity-based policy allows the kms:%[2]s action", callerARN, operation, arn)
	case k.spec.State == "Disabled":
		return refuse("DisabledException", "%s is disabled.", arn)
	case k.spec.State == "PendingDeletion":
		return refuse("KMSInvalidStateException", "%s is pending deletion.", arn)
	}
	return nil
}

type generateDataKeyInput struct {
	KeyId             *string
	KeySpec           *string
	NumberOfBytes     *int
	EncryptionContext map[string]string
}

func (l *Lab) generateDataKey(c *call) (any, *apiError) {
	var in generateDataKeyInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	var v violations
	v.text("keyId", in.KeyId, true, 1, 2048)
	v.oneOf("keySpec", in.KeySpec, "AES_256", "AES_128")
	v.between("numberOfBytes", in.NumberOfBytes, 1, 1024)
	if refusal := v.refusal(); refusal != nil {
		return nil, refusal
	}
	if (in.KeySpec == nil) == (in.NumberOfBytes == nil) {
		return nil, refuse("ValidationException", "Please specify either number of bytes or key spec.")
	}
	if refusal := l.keys.find(*in.KeyId, c.region, "GenerateDataKey"); refusal != nil {
		return nil, refusal
	}
	size := 32
	switch {
	case in.NumberOfBytes != nil:
		size = *in.NumberOfBytes
	case *in.KeySpec == "AES_128":
		size = 16
	}
	dataKey := randomBytes(size)
	return struct {
		CiphertextBlob, Plaintext []byte
		KeyId                     string
	}{l.keys.encrypt(dataKey, in.EncryptionContext), dataKey, l.keys.arn(c.region)}, nil
}

// encrypt returns a ciphertext blob: version, nonce, and what is sealed with the
// encryption context as additional data.
func (k *keyRing) encrypt(plaintext []byte, bound map[string]string) []byte {
	nonce := make([]byte, k.aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return k.aead.Seal(append([]byte{1}, nonce...), nonce, plaintext, contextBytes(bound))
}

// contextBytes is an encryption context in one form; JSON sorts its keys.
func contextBytes(bound map[string]string) []byte {
	text, err := json.Marshal(bound)
	if err != nil || len(bound) == 0 {
		return nil
	}
	return text
}

type decryptInput struct {
	CiphertextBlob    []byte
	EncryptionContext map[string]string
	KeyId             *string
}

func (l *Lab) decrypt(c *call) (any, *apiError) {
	var in decryptInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	var v violations
	if len(in.CiphertextBlob) == 0 || len(in.CiphertextBlob) > 6144 {
		v.add("'[...]'", "ciphertextBlob", "have length between 1 and 6144")
	}
	v.text("keyId", in.KeyId, false, 1, 2048)
	if refusal := v.refusal(); refusal != nil {
		return nil, refusal
	}
	plaintext, refusal := l.keys.decrypt(c.region, in.KeyId, in.CiphertextBlob, in.EncryptionContext)
	if refusal != nil {
		return nil, refusal
	}
	return struct {
		KeyId               string
		Plaintext           []byte
		EncryptionAlgorithm string
	}{l.keys.arn(c.region), plaintext, "SYMMETRIC_DEFAULT"}, nil
}

// decrypt is KMS's Decrypt. A blob that is damaged, of another key or of another
// encryption context is all one to it.
func (k *keyRing) decrypt(region string, name *string, blob []byte, bound map[string]string) ([]byte, *apiError) {
	invalid := refuse("InvalidCiphertextException", "")
	if k == nil {
		return nil, invalid
	}
	if name == nil {
		name = &k.id
	}
	if refusal := k.find(*name, region, "Decrypt"); refusal != nil {
		return nil, refusal
	}
	size := k.aead.NonceSize()
	if len(blob) < 1+size || blob[0] != 1 {
		return nil, invalid
	}
	plaintext, err := k.aead.Open(nil, blob[1:1+size], blob[1+size:], contextBytes(bound))
	if err != nil {
		return nil, invalid
	}
	return plaintext, nil
}

// encryption is what a node's agent asks of the clients of a session; nil: nothing.
// Port sessions are never encrypted. (amazon-ssm-agent,
// session/plugins/sessionplugin/sessionplugin.go)
func (l *Lab) encryption(n *node, kind channel.SessionType) *channel.AgentEncryption {
	if l.keys == nil || kind == channel.Port {
		return nil
	}
	return &channel.AgentEncryption{
		KeyID:                    l.keys.spec.KeyID,
		TargetID:                 n.id,
		RequireChallengeResponse: l.keys.spec.RequireChallenge,
		Decrypt: func(_ context.Context, keyID string, blob []byte, bound map[string]string) ([]byte, error) {
			plaintext, refusal := l.keys.decrypt(defaultRegion, &keyID, blob, bound)
			if refusal != nil {
				return nil, refusal
			}
			return plaintext, nil
		},
	}
}
