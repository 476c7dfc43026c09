package plan

import (
	"regexp"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// Encryption is what holds for a session of this provider that says required
// and keyID itself: encryption is required when either says so, and the session's
// key goes before the provider's.
func (p Provider) Encryption(required bool, keyID string) (bool, string) {
	if keyID == "" {
		keyID = p.KMSKeyID
	}
	return required || p.RequireEncryption, keyID
}

// keyName is a KMS key's id or alias, or the ARN of either.
var keyName = regexp.MustCompile(`^(arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)|alias/[A-Za-z0-9/_-]+|(mrk-)?[A-Fa-f0-9-]{32,36})$`)

// encryption reads require_encryption and kms_key_id. A key without a requirement
// would be a promise that any downgrade breaks, so the one implies the other.
func (a attributes) encryption(require, key hclspec.Expression) (bool, string) {
	keyID := a.text("kms_key_id", key, "")
	if keyID != "" && !keyName.MatchString(keyID) {
		a.problems.errorf(key.Range(), "Bad KMS key",
			"%q names no KMS key. Write its id, its ARN, \"alias/NAME\", or the ARN of an alias.", clipText(keyID, 100))
		keyID = ""
	}
	required := a.boolean("require_encryption", require, keyID != "")
	if keyID != "" && !required {
		a.problems.errorf(require.Range(), "Key without encryption",
			"\"kms_key_id\" names the one key to encrypt with, and \"require_encryption\" is false. Remove one of them.")
	}
	return required, keyID
}

// checkEncryption warns of sessions that are sure to be refused: the account's
// preferences are the one document that says what all of a session will be.
func (b *builder) checkEncryption(s *Session) {
	seen := map[string]bool{}
	for _, job := range s.Jobs {
		ref := DocumentRef{job.Target.Provider, job.Document}
		doc, described := b.plan.Documents[ref]
		if job.Document != "" || !described || doc.KMSKeyID != "" || seen[ref.Provider] {
			continue
		}
		seen[ref.Provider] = true
		if required, _ := b.plan.encryption(job); required {
			at := s.Range
			if expr := s.block.decl.RequireEncryption; expr != nil {
				at = expr.Range()
			}
			b.problems.warnf(at, "Encryption that the account does not have",
				"%s requires encryption, and the account's shell preferences name no KMS key: its jobs will be unreachable. Set a key in the preferences, SSM-SessionManagerRunShell.", s.Address)
		}
	}
}

// encryption is what holds for a job.
func (p *Plan) encryption(job *Job) (bool, string) {
	for _, provider := range p.Providers {
		if provider.Key == job.Target.Provider {
			return provider.Encryption(job.Session.RequireEncryption, job.Session.KMSKeyID)
		}
	}
	return job.Session.RequireEncryption, job.Session.KMSKeyID
}

// Encryption is what must be true of a session's channels before anything is
// sent: required, and with which keys, each once; none is any key.
func (p *Plan) Encryption(s *Session) (required bool, keyIDs []string) {
	seen := map[string]bool{"": true}
	for _, job := range s.Jobs {
		need, keyID := p.encryption(job)
		required = required || need
		if !seen[keyID] {
			seen[keyID] = true
			keyIDs = append(keyIDs, keyID)
		}
	}
	return required, keyIDs
}
