package channel

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
)

// UUID is a message id in the order its text has.
type UUID [16]byte

// newUUID returns a random UUID (version 4). The generator is the runtime's,
// seeded by the system: ids need to be distinct, not secret.
func newUUID() UUID {
	var u UUID
	binary.BigEndian.PutUint64(u[:8], rand.Uint64())
	binary.BigEndian.PutUint64(u[8:], rand.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) String() string { return string(u.AppendText(nil)) }

// AppendText appends the usual form, xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.
func (u UUID) AppendText(b []byte) []byte {
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		start := [...]int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, u[start:end])
	}
	return b
}

var errUUID = errors.New("not a UUID")

// parseUUID reads the usual form, in either case.
func parseUUID(text []byte) (UUID, error) {
	var u UUID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return UUID{}, errUUID
	}
	var digits [32]byte
	n := copy(digits[:], text[:8])
	n += copy(digits[n:], text[9:13])
	n += copy(digits[n:], text[14:18])
	n += copy(digits[n:], text[19:23])
	copy(digits[n:], text[24:])
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return UUID{}, errUUID
	}
	return u, nil
}

// appendSwapped appends the form that messages carry: the second half first.
// (session-manager-plugin, message/messageparser.go: getUuid, putUuid)
func (u UUID) appendSwapped(b []byte) []byte {
	return append(append(b, u[8:]...), u[:8]...)
}

// swappedUUID reads the form that messages carry.
func swappedUUID(wire []byte) UUID {
	var u UUID
	copy(u[:8], wire[8:16])
	copy(u[8:], wire[:8])
	return u
}
