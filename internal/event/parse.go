package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"
)

// ParseRecord reads what Record.MarshalJSON wrote, also when a newer version
// wrote it: a fact of a type that is not known here becomes an Unknown, and
// fields that are not known here go to Extra.
func ParseRecord(data []byte) (Record, error) {
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return Record{}, fmt.Errorf("parse event: %w", err)
	}
	if env.Type == "" {
		return Record{}, errors.New("parse event: no type")
	}
	at, err := time.Parse(time.RFC3339, env.Time)
	if err != nil {
		return Record{}, fmt.Errorf("parse event %d: %w", env.Seq, err)
	}
	rec := Record{Seq: env.Seq, Time: at, RunID: env.RunID}

	d, known := decoders[env.Type]
	if !known {
		rest := without(data, envelopeFields)
		if rest == nil {
			rest = json.RawMessage("{}")
		}
		rec.Fact = Unknown{Name: env.Type, Severity: env.Level, Text: env.Message, Fields: rest}
		return rec, nil
	}
	if rec.Fact, err = d.decode(data); err != nil {
		return Record{}, fmt.Errorf("parse event %d, %s: %w", env.Seq, env.Type, err)
	}
	if log, ok := rec.Fact.(LogFact); ok {
		log.Severity, log.Text = env.Level, env.Message
		rec.Fact = log
	}
	rec.Extra = without(data, envelopeFields, d.fields)
	return rec, nil
}

// decoder says how the facts of one type are read.
type decoder struct {
	decode func(data []byte) (Fact, error)
	fields map[string]bool // the JSON names of its fields
}

// decoders has the types of facts that this version knows, by `type`.
var decoders = decodersOf(
	decode[VersionFact], decode[LogFact], decode[Diagnostic],
	decode[PlannedSession], decode[PlanSummary],
	decode[RunStart], decode[Approval], decode[CheckComplete], decode[RunSummary], decode[Outputs],
	decode[WaveStart], decode[WaveComplete], decode[WavePause], decode[WaveHalted],
	decode[SessionQueued], decode[SessionStart], decode[SessionReady],
	decode[SessionReconnect], decode[SessionComplete], decode[JobComplete],
	decode[StepStart], decode[StepOutput], decode[StepProgress], decode[StepExpect], decode[StepCapture], decode[StepComplete],
)

var envelopeFields = fieldsOf(reflect.TypeFor[envelope]())

func decode[F Fact](data []byte) (Fact, error) {
	var f F
	err := json.Unmarshal(data, &f)
	return f, err
}

func decodersOf(each ...func([]byte) (Fact, error)) map[string]decoder {
	all := make(map[string]decoder, len(each))
	for _, f := range each {
		zero, err := f([]byte("{}"))
		if err != nil {
			panic(err)
		}
		all[zero.Type()] = decoder{decode: f, fields: fieldsOf(reflect.TypeOf(zero))}
	}
	return all
}

// fieldsOf lists the JSON names of a struct's fields, embedded ones included.
func fieldsOf(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			maps.Copy(names, fieldsOf(f.Type))
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names[name] = true
		}
	}
	return names
}

// without returns the members of a valid JSON object whose names are in none
// of the sets, as an object; nil when there are none.
func without(object []byte, sets ...map[string]bool) json.RawMessage {
	var rest []byte
	i := bytes.IndexByte(object, '{') + 1
	for {
		start, colon := nextMember(object, i)
		if start < 0 {
			break
		}
		var name string
		if json.Unmarshal(object[start:colon], &name) != nil {
			break
		}
		i = endOfValue(object, colon+1)
		if !anyHas(sets, name) {
			if rest == nil {
				rest = append(rest, '{')
			} else {
				rest = append(rest, ',')
			}
			rest = append(rest, object[start:i]...)
		}
	}
	if rest == nil {
		return nil
	}
	return append(rest, '}')
}

func anyHas(sets []map[string]bool, name string) bool {
	for _, s := range sets {
		if s[name] {
			return true
		}
	}
	return false
}

// nextMember finds the name of the next member of an object, at or after i: it
// starts at start and its colon follows. start is -1 at the object's end.
func nextMember(object []byte, i int) (start, colon int) {
	for i < len(object) && object[i] != '"' {
		if object[i] == '}' {
			return -1, 0
		}
		i++
	}
	if i >= len(object) {
		return -1, 0
	}
	end := endOfString(object, i)
	for end < len(object) && object[end] != ':' {
		end++
	}
	return i, end
}

// endOfString returns the index after the string that starts at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// endOfValue returns the index of the comma or brace that ends the value at i.
func endOfValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = endOfString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
