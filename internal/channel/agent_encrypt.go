package channel

import (
	"bytes"
	"crypto/rand"
	"fmt"
)

const (
	challengeSize = 16 // of the handshake's request, which goes into the encryption context
	proofSize     = 64 // of the challenge that is encrypted
)

// unguessable returns n random bytes.
func unguessable(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// takeKey decrypts the client's data key and challenges the client to prove that
// it has it, too.
func (a *Agent) takeKey(actions []ProcessedAction) error {
	e := a.cfg.Encryption
	var result KMSResult
	found := 0
	for _, action := range actions {
		if action.ActionType != ActionKMSEncryption {
			continue
		}
		found++
		var err error
		if result, err = ParseKMSResult(action.ActionResult); err != nil {
			a.fail(err.Error())
			return nil
		}
	}
	challenge := ""
	switch {
	case found != 1:
		a.fail(fmt.Sprintf("client processed %d actions for encryption", found))
		return nil
	case result.ChallengeAcknowledgement:
		challenge = a.request
	case e.RequireChallengeResponse:
		a.fail("KMSEncryption failed: the client did not acknowledge the challenge, and this agent requires it")
		return nil
	}
	dataKey, err := e.Decrypt(a.ctx, e.KeyID, result.KMSCipherTextKey, encryptionContext(a.cfg.SessionID, e.TargetID, challenge))
	defer clear(dataKey)
	if err != nil {
		a.fail(fmt.Sprintf("fetching data key failed: unable to retrieve data key, %v", err))
		return nil
	}
	sealer, opener, err := newCiphers(dataKey, agentRole)
	if err != nil {
		a.fail("fetching data key failed: " + err.Error())
		return nil
	}
	a.opener, a.proof = opener, unguessable(proofSize)
	a.stream.encrypt(sealer)
	text, err := a.stream.sealChallenge(a.proof)
	if err == nil {
		err = a.stream.sendNow(PayloadEncChallengeRequest, text)
	}
	if err != nil {
		return fmt.Errorf("send encryption challenge: %w", err)
	}
	a.mu.Lock()
	if a.timer != nil && !a.ending {
		a.timer.Reset(a.cfg.HandshakeTimeout) // for each reply
	}
	a.mu.Unlock()
	return nil
}

// challengeResponse takes the client's proof. With a wrong one an agent says
// nothing: the handshake times out. (amazon-ssm-agent,
// session/datachannel/datachannel.go)
func (a *Agent) challengeResponse(payload []byte) error {
	plain, err := openChallenge(a.opener, payload)
	if err != nil || !bytes.Equal(plain, a.proof) {
		return nil
	}
	a.proof, a.agreed = nil, true
	return nil
}

// sealedInput decrypts input. Its nonce is spent when the input was taken: what
// the agent is not ready for comes again as it is.
func (a *Agent) sealedInput(payloadType PayloadType, payload []byte) error {
	plain, n, err := a.opener.open(payload)
	if err != nil {
		a.fail(err.Error())
		return err
	}
	if a.cfg.Input != nil {
		if err := a.cfg.Input(payloadType, plain); err != nil {
			return err
		}
	}
	return a.opener.spend(n)
}
