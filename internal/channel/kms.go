package channel

import (
	"errors"
	"strings"
)

// KMSParameters are the parameters of ActionKMSEncryption.
type KMSParameters struct {
	KMSKeyID  string `json:"KMSKeyId"` // as the account wrote it: an id, an ARN, an alias
	Challenge string `json:",omitempty"`
}

// KMSResult is the result of ActionKMSEncryption: the data key, encrypted by
// KMS. Both fields are base64 on the wire.
type KMSResult struct {
	KMSCipherTextKey         []byte
	KMSCipherTextHash        []byte // nobody reads it
	ChallengeAcknowledgement bool   `json:",omitempty"`
}

// ParseKMSParameters reads the parameters of ActionKMSEncryption.
func ParseKMSParameters(parameters []byte) (KMSParameters, error) {
	var p KMSParameters
	err := unmarshal(parameters, &p)
	if err == nil && p.KMSKeyID == "" {
		err = errors.New("no key id")
	}
	if err != nil {
		return KMSParameters{}, &ProtocolError{Doing: "read encryption request", Err: err}
	}
	return p, nil
}

// ParseKMSResult reads the result of ActionKMSEncryption.
func ParseKMSResult(result []byte) (KMSResult, error) {
	var r KMSResult
	err := unmarshal(result, &r)
	if err == nil && len(r.KMSCipherTextKey) == 0 {
		err = errors.New("no encrypted key")
	}
	if err != nil {
		return KMSResult{}, &ProtocolError{Doing: "read encryption result", Err: err}
	}
	return r, nil
}

// encryptionContext is what KMS binds a session's data key to: the key cannot
// be decrypted for another session, target or handshake. The challenge is a part
// of it when the client acknowledges that it put it there. (amazon-ssm-agent,
// agent/session/datachannel/datachannel.go)
func encryptionContext(sessionID, targetID, challenge string) map[string]string {
	bound := map[string]string{"aws:ssm:SessionId": sessionID, "aws:ssm:TargetId": targetID}
	if challenge != "" {
		bound["aws:ssm:RandomChallenge"] = challenge
	}
	return bound
}

// keyName is what names a KMS key: an id, an alias, or the ARN of either.
type keyName struct {
	scope string // arn:PARTITION:kms:REGION:ACCOUNT, "" when not said
	alias bool
	name  string
}

func parseKeyName(text string) keyName {
	var k keyName
	rest := text
	if strings.HasPrefix(text, "arn:") {
		i := strings.LastIndexByte(text[:strings.IndexByte(text+"/", '/')], ':')
		k.scope, rest = text[:i], text[i+1:]
		rest = strings.TrimPrefix(rest, "key/")
	}
	k.name, k.alias = strings.CutPrefix(rest, "alias/")
	return k
}

// otherKey reports whether an agent's name for a key is certainly not the key
// that is pinned. Names of one kind are the same key when their last parts are
// equal and, where both are ARNs, all of them; a name without an ARN is of the
// caller's account and region. An alias and a key id cannot be compared here; the
// data key is made with the pinned key in any case, and the agent's Decrypt,
// which names the other, fails in KMS if they are not one.
func otherKey(pinned, named string) bool {
	if pinned == named {
		return false
	}
	p, n := parseKeyName(pinned), parseKeyName(named)
	if p.scope != "" && n.scope != "" && p.scope != n.scope {
		return true
	}
	return p.alias == n.alias && p.name != n.name
}
