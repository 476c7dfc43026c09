package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the event stream: a minor version adds types and
// fields, a major one may break.
const Version = "1.0"

// Record is one event of a run, numbered and dated. Its JSON form is one line
// of `-json` output and one entry of the journal: the fields of the envelope
// (@level @message @module @timestamp type run_id seq) and those of the fact,
// side by side.
type Record struct {
	Seq   uint64 // from 1, without gaps within a run
	Time  time.Time
	RunID string
	Fact  Fact
	// Extra has the fields that a newer version wrote and this one does not
	// know, as a JSON object; nil when there are none. They are written back.
	Extra json.RawMessage
}

// Fact is one of the structs of facts.go and jobfacts.go, as a value. A new
// fact is a new struct.
type Fact interface {
	Type() string    // the `type` field, such as "step_complete"
	Level() string   // LevelInfo, LevelWarn or LevelError
	Message() string // one line for people
}

// Unknown is a fact of a type that this version does not know. It keeps all of
// its fields and is written back as it was.
type Unknown struct {
	Name     string
	Severity string
	Text     string
	Fields   json.RawMessage // an object, without the envelope's fields
}

func (f Unknown) Type() string    { return f.Name }
func (f Unknown) Level() string   { return f.Severity }
func (f Unknown) Message() string { return f.Text }

// envelope is what every record has, in the order it is written.
type envelope struct {
	Level   string `json:"@level"`
	Message string `json:"@message"`
	Module  string `json:"@module"`
	Time    string `json:"@timestamp"`
	Type    string `json:"type"`
	RunID   string `json:"run_id"`
	Seq     uint64 `json:"seq"`
}

// timeLayout is RFC 3339 with microseconds, always all six.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// AppendJSON appends the record's JSON object to dst, without a line end and
// with no line end inside.
func (r Record) AppendJSON(dst []byte) ([]byte, error) {
	if r.Fact == nil {
		return dst, fmt.Errorf("record %d has no fact", r.Seq)
	}
	head, err := marshal(envelope{
		Level:   r.Fact.Level(),
		Message: r.Fact.Message(),
		Module:  "ssmrun",
		Time:    r.Time.Format(timeLayout),
		Type:    r.Fact.Type(),
		RunID:   r.RunID,
		Seq:     r.Seq,
	})
	if err != nil {
		return dst, err
	}
	fields := []byte(nil)
	if u, ok := r.Fact.(Unknown); ok {
		fields = u.Fields
	} else if fields, err = marshal(r.Fact); err != nil {
		return dst, fmt.Errorf("encode %s: %w", r.Fact.Type(), err)
	}
	dst = append(dst, head...)
	dst = join(dst, fields)
	return join(dst, r.Extra), nil
}

// MarshalJSON is AppendJSON for encoding/json.
func (r Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil) }

// marshal is json.Marshal that leaves < > & readable.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// join adds the members of a JSON object to the object that ends dst.
func join(dst, object []byte) []byte {
	object = bytes.TrimSpace(object)
	if len(object) < 2 || object[0] != '{' {
		return dst
	}
	members := bytes.TrimSpace(object[1 : len(object)-1])
	if len(members) == 0 {
		return dst
	}
	dst = dst[:len(dst)-1]
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, members...)
	return append(dst, '}')
}
