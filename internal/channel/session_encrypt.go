package channel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// agreeOnKey answers the agent's wish for encryption with a data key of KMS. The
// agent's name for the key is not believed when another is pinned: the agent, or
// who speaks in its place, could name a key of its own.
func (s *Session) agreeOnKey(action RequestedAction) ProcessedAction {
	if s.cfg.DataKey == nil {
		const reason = "encryption is not supported by this client"
		return s.refuse(action, ActionUnsupported, &UnsupportedError{string(action.ActionType), reason}, reason)
	}
	fail := func(reason string, err error) ProcessedAction {
		return s.refuse(action, ActionFailed, &EncryptionError{Reason: reason, Err: err}, reason)
	}
	asked, err := ParseKMSParameters(action.ActionParameters)
	if err != nil {
		return fail("the agent's request is not understood", err)
	}
	keyID := asked.KMSKeyID
	if s.cfg.KeyID != "" {
		if otherKey(s.cfg.KeyID, keyID) {
			return fail(fmt.Sprintf("the agent names the key %.200q, and %.200q is required", keyID, s.cfg.KeyID), nil)
		}
		keyID = s.cfg.KeyID
	}
	// Half of the time, so that it is this call that is late and says so.
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.HandshakeTimeout/2)
	defer cancel()
	began := time.Now()
	plaintext, ciphertext, err := s.cfg.DataKey(ctx, keyID, encryptionContext(s.cfg.SessionID, s.cfg.TargetID, asked.Challenge))
	defer clear(plaintext)
	if err != nil {
		err = late(ctx, err, LayerKey, s.subject(), began)
		return fail(fmt.Sprintf("there is no data key of %.200q", keyID), err)
	}
	sealer, opener, err := newCiphers(plaintext, clientRole)
	if err != nil {
		return fail("KMS gave no such key as was asked for", err)
	}
	result, err := json.Marshal(KMSResult{KMSCipherTextKey: ciphertext, ChallengeAcknowledgement: asked.Challenge != ""})
	if err != nil {
		return fail("the data key cannot be sent", err)
	}
	s.opener = opener
	s.stream.encrypt(sealer)
	s.mu.Lock()
	s.phase = phaseKeyed
	s.mu.Unlock()
	s.watch.set(waitChallenge, s.cfg.HandshakeTimeout/2)
	return ProcessedAction{ActionType: action.ActionType, ActionStatus: ActionSuccess, ActionResult: result}
}

// challenged proves to the agent that this end has both keys; that the challenge
// can be decrypted proves the same of the agent.
func (s *Session) challenged(payload []byte) error {
	s.mu.Lock()
	was := s.phase
	s.mu.Unlock()
	if was != phaseKeyed {
		return &ProtocolError{Doing: "read encryption challenge", Err: errOutOfTurn}
	}
	s.watch.clear(waitChallenge)
	plain, err := openChallenge(s.opener, payload)
	if err != nil {
		return err
	}
	answer, err := s.stream.sealChallenge(plain)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.phase, s.proven = phaseShaken, true
	s.mu.Unlock()
	return s.stream.sendNow(PayloadEncChallengeResponse, answer)
}

// openChallenge returns what an EncChallenge holds.
func openChallenge(o *opener, payload []byte) ([]byte, error) {
	challenge, err := ParseEncChallenge(payload)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(challenge.Challenge)
	if err != nil {
		return nil, &ProtocolError{Doing: "read encryption challenge", Err: err}
	}
	plain, n, err := o.open(sealed)
	if err != nil {
		return nil, err
	}
	return plain, o.spend(n)
}

// sealChallenge returns an EncChallenge that holds plain.
func (s *stream) sealChallenge(plain []byte) ([]byte, error) {
	s.mu.Lock()
	sealed := s.sealer.seal(plain)
	s.mu.Unlock()
	text, err := json.Marshal(EncChallenge{Challenge: base64.StdEncoding.EncodeToString(sealed)})
	if err != nil {
		return nil, fmt.Errorf("write encryption challenge: %w", err)
	}
	return text, nil
}

// decrypt returns the payload in the clear. After an agreement there is no other
// way in for the types that are encrypted.
func (s *Session) decrypt(payloadType PayloadType, payload []byte) ([]byte, error) {
	if s.opener == nil || !s.opener.types[payloadType] {
		return payload, nil
	}
	plain, n, err := s.opener.open(payload)
	if err != nil {
		return nil, err
	}
	return plain, s.opener.spend(n)
}
