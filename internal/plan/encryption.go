package plan

// Encryption is what holds for a session of this provider that says required
// and keyID itself: encryption is required when either says so, and the session's
// key goes before the provider's.
func (p Provider) Encryption(required bool, keyID string) (bool, string) {
	if keyID == "" {
		keyID = p.KMSKeyID
	}
	return required || p.RequireEncryption, keyID
}
