package channel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of messages.
const (
	TypeInput            = "input_stream_data"
	TypeOutput           = "output_stream_data"
	TypeAcknowledge      = "acknowledge"
	TypeAgentState       = "agent_session_state"
	TypeChannelClosed    = "channel_closed"
	TypeStartPublication = "start_publication"
	TypePausePublication = "pause_publication"
)

// Flags of a message. Peers write them and do not read them.
const (
	FlagSYN uint64 = 1
	FlagFIN uint64 = 2
)

// The layout, in bytes from the start of a message. All integers are
// big-endian. The header length that a message states excludes the four bytes
// of the payload length, though both parsers find the payload behind them.
// (session-manager-plugin, message/clientmessage.go)
const (
	typeOffset        = 4
	schemaOffset      = 36
	createdOffset     = 40
	sequenceOffset    = 48
	flagsOffset       = 56
	idOffset          = 64
	digestOffset      = 80
	payloadTypeOffset = 112
	headerLength      = 116
	payloadOffset     = headerLength + 4
)

// maxPayload bounds what a message may carry. Stream data is at most 1,055
// bytes (1,024 read, 3 held back by the agent's UTF-8 decoder, 28 for
// encryption); handshakes and channel_closed are a few hundred.
const maxPayload = 64 << 10

// Message is one binary message of a data channel.
type Message struct {
	Type          string
	SchemaVersion uint32
	CreatedDate   uint64 // ms since the epoch
	Sequence      int64
	Flags         uint64
	ID            UUID
	PayloadType   PayloadType // 0 but for stream data
	Payload       []byte
}

// AppendMessage appends the message as it travels, with the payload's digest.
// A type of more than 32 bytes is cut.
func AppendMessage(b []byte, m *Message) []byte {
	b = binary.BigEndian.AppendUint32(b, headerLength)
	name := m.Type[:min(len(m.Type), schemaOffset-typeOffset)]
	b = append(b, name...)
	for range schemaOffset - typeOffset - len(name) {
		b = append(b, ' ')
	}
	b = binary.BigEndian.AppendUint32(b, m.SchemaVersion)
	b = binary.BigEndian.AppendUint64(b, m.CreatedDate)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Sequence))
	b = binary.BigEndian.AppendUint64(b, m.Flags)
	b = m.ID.appendSwapped(b)
	digest := sha256.Sum256(m.Payload)
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(m.PayloadType))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Payload)))
	return append(b, m.Payload...)
}

// ParseMessage reads one message. It is strict: the header length must be 116,
// the lengths must add up to the frame, the payload must match its digest and
// be of at most 64 KiB, the date must be set and the sequence number not
// negative. Of start_publication and pause_publication, whose content nobody
// uses, only the lengths are checked.
//
// The payload is a part of frame, not a copy. The error is a *ProtocolError;
// it wraps ErrDigest when all else was right, and then the message is returned
// with it.
func ParseMessage(frame []byte) (Message, error) {
	m, err := parseMessage(frame)
	if err != nil {
		return m, &ProtocolError{Doing: "read message", Err: err}
	}
	return m, nil
}

func parseMessage(frame []byte) (Message, error) {
	if len(frame) < payloadOffset {
		return Message{}, fmt.Errorf("%d bytes are fewer than a header has", len(frame))
	}
	if n := binary.BigEndian.Uint32(frame); n != headerLength {
		return Message{}, fmt.Errorf("header length is %d, want %d", n, headerLength)
	}
	payload := frame[payloadOffset:]
	if n := binary.BigEndian.Uint32(frame[headerLength:]); uint64(n) != uint64(len(payload)) {
		return Message{}, fmt.Errorf("payload length is %d, but %d bytes follow", n, len(payload))
	}
	if len(payload) > maxPayload {
		return Message{}, fmt.Errorf("payload of %d bytes, at most %d are allowed", len(payload), maxPayload)
	}
	name, err := messageType(frame[typeOffset:schemaOffset])
	if err != nil {
		return Message{}, err
	}
	m := Message{
		Type:          name,
		SchemaVersion: binary.BigEndian.Uint32(frame[schemaOffset:]),
		CreatedDate:   binary.BigEndian.Uint64(frame[createdOffset:]),
		Sequence:      int64(binary.BigEndian.Uint64(frame[sequenceOffset:])),
		Flags:         binary.BigEndian.Uint64(frame[flagsOffset:]),
		ID:            swappedUUID(frame[idOffset:digestOffset]),
		PayloadType:   PayloadType(binary.BigEndian.Uint32(frame[payloadTypeOffset:])),
		Payload:       payload,
	}
	if name == TypeStartPublication || name == TypePausePublication {
		return m, nil
	}
	if m.CreatedDate == 0 {
		return Message{}, errors.New("created date is zero")
	}
	if m.Sequence < 0 {
		return Message{}, fmt.Errorf("sequence number is %d", m.Sequence)
	}
	if sha256.Sum256(payload) != [sha256.Size]byte(frame[digestOffset:payloadTypeOffset]) {
		return m, ErrDigest
	}
	return m, nil
}

// messageType reads the padded type. Names that are known cost no allocation.
func messageType(padded []byte) (string, error) {
	name := bytes.TrimRight(padded, " \x00")
	switch string(name) {
	case TypeInput:
		return TypeInput, nil
	case TypeOutput:
		return TypeOutput, nil
	case TypeAcknowledge:
		return TypeAcknowledge, nil
	case TypeAgentState:
		return TypeAgentState, nil
	case TypeChannelClosed:
		return TypeChannelClosed, nil
	case TypeStartPublication:
		return TypeStartPublication, nil
	case TypePausePublication:
		return TypePausePublication, nil
	case "":
		return "", errors.New("message type is empty")
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("message type %q", name)
		}
	}
	return string(name), nil
}
