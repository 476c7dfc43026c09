package channel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The files ref*_test.go are a second implementation of what is on the other
// side of a client: the wire, the agent and the service in between. It was
// written from the description of the protocol (docs of AWS's peers, cited in
// doc.go), and shares nothing with this package, so that a misreading in one is
// not confirmed by the other. Where the agent is lax with clients the reference
// is strict, and complains.

// refMessage is one binary message. The layout: 4 header length 116, 32 type
// padded with spaces, 4 schema, 8 date, 8 number, 8 flags, 16 id with its halves
// swapped, 32 SHA-256 of the payload, 4 payload type, 4 payload length, payload.
type refMessage struct {
	kind        string
	created     uint64
	sequence    int64
	flags       uint64
	id          [16]byte // in the order of its text
	payloadType uint32
	payload     []byte
}

const refHeader = 120

func (m *refMessage) encode() []byte {
	b := make([]byte, refHeader+len(m.payload))
	binary.BigEndian.PutUint32(b, 116)
	copy(b[4:36], "                                ")
	copy(b[4:36], m.kind)
	binary.BigEndian.PutUint32(b[36:], 1)
	binary.BigEndian.PutUint64(b[40:], m.created)
	binary.BigEndian.PutUint64(b[48:], uint64(m.sequence))
	binary.BigEndian.PutUint64(b[56:], m.flags)
	copy(b[64:72], m.id[8:])
	copy(b[72:80], m.id[:8])
	digest := sha256.Sum256(m.payload)
	copy(b[80:112], digest[:])
	binary.BigEndian.PutUint32(b[112:], m.payloadType)
	binary.BigEndian.PutUint32(b[116:], uint32(len(m.payload)))
	copy(b[refHeader:], m.payload)
	return b
}

// decodeRef reads a message of a client, which must be exact in every field.
func decodeRef(b []byte) (refMessage, error) {
	if len(b) < refHeader {
		return refMessage{}, fmt.Errorf("a message of %d bytes", len(b))
	}
	m := refMessage{
		kind:        string(bytes.TrimRight(b[4:36], " ")),
		created:     binary.BigEndian.Uint64(b[40:]),
		sequence:    int64(binary.BigEndian.Uint64(b[48:])),
		flags:       binary.BigEndian.Uint64(b[56:]),
		payloadType: binary.BigEndian.Uint32(b[112:]),
		payload:     b[refHeader:],
	}
	copy(m.id[:8], b[72:80])
	copy(m.id[8:], b[64:72])
	digest := sha256.Sum256(m.payload)
	switch {
	case binary.BigEndian.Uint32(b) != 116:
		return m, errors.New("the header length is not 116")
	case m.kind != "acknowledge" && m.kind != "input_stream_data":
		return m, fmt.Errorf("clients send no message of type %q", m.kind)
	case binary.BigEndian.Uint32(b[36:]) != 1:
		return m, errors.New("the schema version is not 1")
	case m.created == 0:
		return m, errors.New("no date")
	case m.id == [16]byte{}:
		return m, errors.New("no id")
	case !bytes.Equal(digest[:], b[80:112]):
		return m, errors.New("the digest is wrong")
	case int(binary.BigEndian.Uint32(b[116:])) != len(m.payload):
		return m, errors.New("the payload length is wrong")
	case len(m.payload) == 0 || len(m.payload) > 1024+28 && m.payloadType == 1:
		return m, fmt.Errorf("a payload of %d bytes", len(m.payload))
	case m.kind == "acknowledge" && (m.flags != 3 || m.payloadType != 0):
		return m, errors.New("an acknowledgement has flags 3 and payload type 0")
	case m.kind == "input_stream_data" && m.flags != 0:
		return m, errors.New("stream data of a client has flags 0")
	}
	return m, nil
}

// uuidText is the usual form of an id.
func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
