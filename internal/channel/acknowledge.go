package channel

import (
	"bytes"
	"strconv"
)

// Acknowledge is the payload of acknowledge: one message of the other end's
// stream has arrived. Acknowledgements are not cumulative, and only the
// sequence number is used to find the message.
type Acknowledge struct {
	Type       string // the acknowledged message's
	ID         UUID
	Sequence   int64
	Sequential bool // always true in recorded traffic
}

// The JSON of both peers has these parts, in this order, without spaces.
const (
	ackOpen       = `{"AcknowledgedMessageType":"`
	ackID         = `","AcknowledgedMessageId":"`
	ackSequence   = `","AcknowledgedMessageSequenceNumber":`
	ackSequential = `,"IsSequentialMessage":`
)

// AppendJSON appends the payload. Type must be a message type, which needs no
// escaping.
func (a *Acknowledge) AppendJSON(b []byte) []byte {
	b = append(append(b, ackOpen...), a.Type...)
	b = a.ID.AppendText(append(b, ackID...))
	b = strconv.AppendInt(append(b, ackSequence...), a.Sequence, 10)
	b = strconv.AppendBool(append(b, ackSequential...), a.Sequential)
	return append(b, '}')
}

// ParseAcknowledge reads the payload of acknowledge.
func ParseAcknowledge(payload []byte) (Acknowledge, error) {
	if a, ok := scanAcknowledge(payload); ok {
		return a, nil
	}
	var fields struct {
		AcknowledgedMessageType           string
		AcknowledgedMessageID             string `json:"AcknowledgedMessageId"`
		AcknowledgedMessageSequenceNumber *int64
		IsSequentialMessage               bool
	}
	if err := unmarshal(payload, &fields); err != nil {
		return Acknowledge{}, &ProtocolError{Doing: "read acknowledgement", Err: err}
	}
	if fields.AcknowledgedMessageSequenceNumber == nil || *fields.AcknowledgedMessageSequenceNumber < 0 {
		return Acknowledge{}, &ProtocolError{Doing: "read acknowledgement", Err: errNoSequence}
	}
	id, err := parseUUID([]byte(fields.AcknowledgedMessageID))
	if err != nil {
		return Acknowledge{}, &ProtocolError{Doing: "read acknowledgement", Err: err}
	}
	return Acknowledge{
		Type:       fields.AcknowledgedMessageType,
		ID:         id,
		Sequence:   *fields.AcknowledgedMessageSequenceNumber,
		Sequential: fields.IsSequentialMessage,
	}, nil
}

// scanAcknowledge reads the form that both peers write, without encoding/json:
// every message that is sent is answered by one of these.
func scanAcknowledge(payload []byte) (a Acknowledge, ok bool) {
	rest, ok := bytes.CutPrefix(payload, []byte(ackOpen))
	if !ok {
		return a, false
	}
	for _, name := range [...]string{TypeOutput, TypeInput} {
		if after, ok := bytes.CutPrefix(rest, []byte(name)); ok {
			a.Type, rest = name, after
			break
		}
	}
	rest, ok = bytes.CutPrefix(rest, []byte(ackID))
	if !ok || a.Type == "" || len(rest) < 36 {
		return a, false
	}
	id, err := parseUUID(rest[:36])
	if err != nil {
		return a, false
	}
	a.ID = id
	rest, ok = bytes.CutPrefix(rest[36:], []byte(ackSequence))
	if !ok {
		return a, false
	}
	digits := 0
	for digits < len(rest) && digits < 18 && rest[digits] >= '0' && rest[digits] <= '9' {
		a.Sequence = a.Sequence*10 + int64(rest[digits]-'0')
		digits++
	}
	if digits == 0 || rest[0] == '0' && digits > 1 {
		return a, false
	}
	rest, ok = bytes.CutPrefix(rest[digits:], []byte(ackSequential))
	if !ok {
		return a, false
	}
	switch string(rest) {
	case "true}":
		a.Sequential = true
		return a, true
	case "false}":
		return a, true
	}
	return a, false
}
