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

// keyRing is the lab's KMS: its keys, by their ids.
type keyRing map[string]*kmsKey

// kmsKey is one key, which never leaves the lab. What it encrypts is bound to its
// encryption context, as in KMS:
// https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
type kmsKey struct {
	spec  hclspec.KMS
	id    string // the key's id
	alias string // alias/NAME, or ""
	aead  cipher.AEAD
}

const kmsScope = ":" + accountID + ":"

// newKeyRing makes the keys that the kms blocks of a lab name, each once.
func newKeyRing(spec *hclspec.Lab) (keyRing, error) {
	r := keyRing{}
	blocks := []*hclspec.KMS{spec.KMS}
	for _, group := range spec.Nodes {
		blocks = append(blocks, group.KMS)
	}
	for _, block := range blocks {
		if block == nil {
			continue
		}
		k, err := newKMSKey(block)
		if err != nil {
			return nil, fmt.Errorf("make the lab's KMS key: %w", err)
		}
		if r[k.id] == nil {
			r[k.id] = k
		}
	}
	return r, nil
}

func newKMSKey(spec *hclspec.KMS) (*kmsKey, error) {
	k := &kmsKey{spec: *spec}
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
		return nil, err
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

func (k *kmsKey) arn(region string) string {
	return "arn:aws:kms:" + region + kmsScope + "key/" + k.id
}

// find returns the key of a name. It refuses a name that is none's, and a key that
// cannot be used.
func (r keyRing) find(name, region, operation string) (*kmsKey, *apiError) {
	bare := name
	if strings.HasPrefix(name, "arn:aws:kms:") {
		if _, rest, ok := strings.Cut(name, kmsScope); ok {
			bare = strings.TrimPrefix(rest, "key/")
		}
	}
	k := r[bare]
	for _, other := range r {
		if other.alias == bare && bare != "" {
			k = other
		}
	}
	switch {
	case k != nil:
	case strings.HasPrefix(bare, "alias/"):
		return nil, refuse("NotFoundException", "Alias arn:aws:kms:%s:%s:%s is not found.", region, accountID, bare)
	default:
		return nil, refuse("NotFoundException", "Key 'arn:aws:kms:%s:%s:key/%s' does not exist", region, accountID, bare)
	}
	arn := k.arn(region)
	switch {
	case slices.Contains(k.spec.Deny, operation):
		return nil, refuse("AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s "+
			"because no identity-based policy allows the kms:%[2]s action", callerARN, operation, arn)
	case k.spec.State == "Disabled":
		return nil, refuse("DisabledException", "%s is disabled.", arn)
	case k.spec.State == "PendingDeletion":
		return nil, refuse("KMSInvalidStateException", "%s is pending deletion.", arn)
	}
	return k, nil
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
	key, refusal := l.keys.find(*in.KeyId, c.region, "GenerateDataKey")
	if refusal != nil {
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
	}{key.encrypt(dataKey, in.EncryptionContext), dataKey, key.arn(c.region)}, nil
}

// encrypt returns a ciphertext blob: version, the key's id, nonce, and what is
// sealed with the encryption context as additional data.
func (k *kmsKey) encrypt(plaintext []byte, bound map[string]string) []byte {
	nonce := make([]byte, k.aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	blob := append(append([]byte{1}, k.id...), nonce...)
	return k.aead.Seal(blob, nonce, plaintext, contextBytes(bound))
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
	key, plaintext, refusal := l.keys.decrypt(c.region, in.KeyId, in.CiphertextBlob, in.EncryptionContext)
	if refusal != nil {
		return nil, refusal
	}
	return struct {
		KeyId               string
		Plaintext           []byte
		EncryptionAlgorithm string
	}{key.arn(c.region), plaintext, "SYMMETRIC_DEFAULT"}, nil
}

// keyIDSize is the length of a key's id.
const keyIDSize = 36

// decrypt is KMS's Decrypt. A blob that is damaged is to it as one of another
// encryption context; one that says it is of another key than the caller wants is
// told apart. (API_Decrypt, IncorrectKeyException)
func (r keyRing) decrypt(region string, name *string, blob []byte, bound map[string]string) (*kmsKey, []byte, *apiError) {
	invalid := refuse("InvalidCiphertextException", "")
	if len(blob) < 1+keyIDSize || blob[0] != 1 {
		return nil, nil, invalid
	}
	made := string(blob[1 : 1+keyIDSize])
	blob = blob[1+keyIDSize:]
	if r[made] == nil {
		return nil, nil, invalid
	}
	if name == nil {
		name = &made
	}
	k, refusal := r.find(*name, region, "Decrypt")
	if refusal != nil {
		return nil, nil, refusal
	}
	if k.id != made {
		return nil, nil, refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	size := k.aead.NonceSize()
	if len(blob) < size {
		return nil, nil, invalid
	}
	plaintext, err := k.aead.Open(nil, blob[:size], blob[size:], contextBytes(bound))
	if err != nil {
		return nil, nil, invalid
	}
	return k, plaintext, nil
}

// encryption is what a node's agent asks of the clients of a session; nil: nothing.
// Port sessions are never encrypted. (amazon-ssm-agent,
// session/plugins/sessionplugin/sessionplugin.go)
func (l *Lab) encryption(n *node, kind channel.SessionType) *channel.AgentEncryption {
	if n.kms == nil || kind == channel.Port {
		return nil
	}
	return &channel.AgentEncryption{
		KeyID:                    n.kms.KeyID,
		TargetID:                 n.id,
		RequireChallengeResponse: n.kms.RequireChallenge,
		Decrypt: func(_ context.Context, keyID string, blob []byte, bound map[string]string) ([]byte, error) {
			_, plaintext, refusal := l.keys.decrypt(defaultRegion, &keyID, blob, bound)
			if refusal != nil {
				return nil, refusal
			}
			return plaintext, nil
		},
	}
}
