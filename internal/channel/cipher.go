package channel

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// An encrypted payload is a nonce of 12 bytes, the ciphertext and a tag of 16,
// by AES-256-GCM without additional data. (amazon-ssm-agent,
// agent/session/crypto/blockcipher.go)
const (
	nonceSize = 12
	tagSize   = 16

	// dataKeySize is what is asked of KMS: the key from agent to client, then
	// the key from client to agent.
	dataKeySize = 64
)

// nonce is a number, its first byte the least: newer agents count.
type nonce [nonceSize]byte

// add returns n+1 or n-1, modulo 2^96.
func (n nonce) add(step int) nonce {
	for i := range n {
		n[i] += byte(step)
		if step > 0 && n[i] != 0 || step < 0 && n[i] != 0xff {
			break
		}
	}
	return n
}

// sealer encrypts what this end sends. Its owner sees to it that only one
// goroutine uses it at a time.
type sealer struct {
	aead  cipher.AEAD
	types map[PayloadType]bool // the others go in the clear
	next  nonce                // of a sealer that counts
	count bool
}

// opener decrypts what the other end sends, each nonce once.
type opener struct {
	aead  cipher.AEAD
	types map[PayloadType]bool
	spent nonces
	plain []byte // the last result
}

var (
	// agentSeals and clientSeals are what the two ends encrypt after an
	// agreement. All else stays in the clear: the handshake, sizes, flags.
	agentSeals  = map[PayloadType]bool{PayloadOutput: true, PayloadStdErr: true, PayloadExitCode: true}
	clientSeals = map[PayloadType]bool{PayloadOutput: true}
)

// newCiphers makes a session's two directions of a data key, for one end. The
// client's nonces are random, the agent's count from a random start.
func newCiphers(dataKey []byte, r role) (*sealer, *opener, error) {
	if len(dataKey) != dataKeySize {
		return nil, nil, fmt.Errorf("the data key has %d bytes, want %d", len(dataKey), dataKeySize)
	}
	fromAgent, err := newGCM(dataKey[:dataKeySize/2])
	if err != nil {
		return nil, nil, err
	}
	fromClient, err := newGCM(dataKey[dataKeySize/2:])
	if err != nil {
		return nil, nil, err
	}
	if r == clientRole {
		return &sealer{aead: fromClient, types: clientSeals}, &opener{aead: fromAgent, types: agentSeals}, nil
	}
	s := &sealer{aead: fromAgent, types: agentSeals, count: true}
	rand.Read(s.next[:]) // never fails: crypto/rand ends the program instead
	return s, &opener{aead: fromClient, types: clientSeals}, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// seal returns the payload encrypted, with a nonce that was never used.
func (s *sealer) seal(payload []byte) []byte {
	if s.count {
		s.next = s.next.add(1)
	} else {
		rand.Read(s.next[:])
	}
	out := make([]byte, nonceSize, nonceSize+len(payload)+tagSize)
	copy(out, s.next[:])
	return s.aead.Seal(out, out, payload, nil)
}

// open decrypts a payload. The result is valid until the next call. GCM alone
// does not notice an old message that comes again under a new number, so a nonce
// that was spent is refused; whoever acted on the result spends it.
func (o *opener) open(payload []byte) ([]byte, nonce, error) {
	if len(payload) < nonceSize+tagSize {
		return nil, nonce{}, &ProtocolError{Doing: "decrypt", Err: fmt.Errorf("%w: %d bytes are fewer than a nonce and a tag have", ErrDecrypt, len(payload))}
	}
	n := nonce(payload)
	if o.spent.has(n) {
		return nil, n, &ProtocolError{Doing: "decrypt", Err: fmt.Errorf("%w: its nonce was used before", ErrDecrypt)}
	}
	plain, err := o.aead.Open(o.plain[:0], n[:], payload[nonceSize:], nil)
	if err != nil {
		return nil, n, &ProtocolError{Doing: "decrypt", Err: fmt.Errorf("%w: it is not encrypted, or not with the session's key", ErrDecrypt)}
	}
	o.plain = plain
	return plain, n, nil
}

// spend makes a nonce unusable.
func (o *opener) spend(n nonce) error {
	if !o.spent.add(n) {
		return &ProtocolError{Doing: "decrypt", Err: errors.New("more nonces than can be remembered")}
	}
	return nil
}

// maxLooseNonces bounds the memory of nonces that do not follow one another:
// 1 GiB of output of an agent whose nonces are random, as they were before they
// counted, and about 30 MB of memory.
const maxLooseNonces = 1 << 20

// nonces is a set. What an agent counts is one run of it and costs nothing, also
// when two of its streams overtake each other by a little.
type nonces struct {
	any         bool
	first, last nonce // the run, inclusive
	loose       map[nonce]struct{}
}

func (s *nonces) has(n nonce) bool {
	if s.any && inRun(n, s.first, s.last) {
		return true
	}
	_, ok := s.loose[n]
	return ok
}

// add reports whether there was room.
func (s *nonces) add(n nonce) bool {
	switch {
	case !s.any:
		s.any, s.first, s.last = true, n, n
		return true
	case n == s.last.add(1):
		s.last = n
	case n == s.first.add(-1):
		s.first = n
	case len(s.loose) >= maxLooseNonces:
		return false
	default:
		if s.loose == nil {
			s.loose = map[nonce]struct{}{}
		}
		s.loose[n] = struct{}{}
		return true
	}
	for s.takeLoose(s.last.add(1)) {
		s.last = s.last.add(1)
	}
	for s.takeLoose(s.first.add(-1)) {
		s.first = s.first.add(-1)
	}
	return true
}

func (s *nonces) takeLoose(n nonce) bool {
	_, ok := s.loose[n]
	delete(s.loose, n)
	return ok
}

// inRun reports whether n is between first and last, on the circle of 2^96.
func inRun(n, first, last nonce) bool {
	return n.minus(first).atMost(last.minus(first))
}

func (n nonce) minus(m nonce) nonce {
	borrow := 0
	for i := range n {
		d := int(n[i]) - int(m[i]) - borrow
		n[i], borrow = byte(d), 0
		if d < 0 {
			borrow = 1
		}
	}
	return n
}

func (n nonce) atMost(m nonce) bool {
	for i := nonceSize - 1; i >= 0; i-- {
		if n[i] != m[i] {
			return n[i] < m[i]
		}
	}
	return true
}
