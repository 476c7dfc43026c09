package lab

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// Where the fields of a message are, in bytes from its start. (amazon-ssm-agent,
// session/contracts/agentmessage.go)
const (
	typeAt          = 4
	schemaAt        = 36
	sequenceAt      = 48
	digestAt        = 80
	payloadTypeAt   = 112
	payloadLengthAt = 116
	payloadAt       = 120
)

// frameType is the type of the message in a frame, or "".
func frameType(frame channel.Frame) string {
	if frame.Text || len(frame.Data) < payloadAt {
		return ""
	}
	return string(bytes.TrimRight(frame.Data[typeAt:schemaAt], " \x00"))
}

// framePayload is the payload type of the agent's stream data in a frame, or 0.
func framePayload(frame channel.Frame) channel.PayloadType {
	if frameType(frame) != channel.TypeOutput {
		return 0
	}
	return channel.PayloadType(binary.BigEndian.Uint32(frame.Data[payloadTypeAt:]))
}

// mayBeLost reports whether the message is between client and agent: what the
// service itself says is not lost.
func mayBeLost(frame channel.Frame) bool {
	switch frameType(frame) {
	case channel.TypeOutput, channel.TypeInput, channel.TypeAcknowledge:
		return true
	}
	return false
}

// announcement is a message of the service's own, start_publication or
// pause_publication.
func announcement(kind string) channel.Frame {
	return channel.Frame{Data: channel.AppendMessage(nil, &channel.Message{
		Type:          kind,
		SchemaVersion: 1,
		CreatedDate:   uint64(time.Now().UnixMilli()),
		Flags:         channel.FlagSYN | channel.FlagFIN,
		ID:            channel.UUID(randomBytes(16)),
	})}
}

// spoil returns what a bad_message block sends instead of a frame.
func spoil(frame channel.Frame, kind string) channel.Frame {
	bad := channel.Frame{Data: bytes.Clone(frame.Data)}
	be := binary.BigEndian
	switch kind {
	case "wrong_digest":
		bad.Data[digestAt] ^= 1
	case "header_length_0":
		be.PutUint32(bad.Data, 0)
	case "header_length_117":
		be.PutUint32(bad.Data, 117)
	case "header_length_4294967295":
		be.PutUint32(bad.Data, 1<<32-1)
	case "payload_length":
		be.PutUint32(bad.Data[payloadLengthAt:], be.Uint32(bad.Data[payloadLengthAt:])+1)
	case "payload_type":
		be.PutUint32(bad.Data[payloadTypeAt:], 99)
	case "negative_sequence":
		bad.Data[sequenceAt] |= 0x80
	case "too_big":
		bad.Data = append(bad.Data, make([]byte, 1<<20)...)
		be.PutUint32(bad.Data[payloadLengthAt:], uint32(len(bad.Data)-payloadAt))
	case "text_frame":
		bad.Text = true
	}
	return bad
}
