package plan

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// maxCapture is the largest value that a capture may have, in encoded bytes:
// every capture of every target is kept in memory and in the journal.
const maxCapture = 1 << 20

// MarshalJSON encodes a value for the journal. Of a sensitive one only that it
// is sensitive: nothing derived from a secret is stored.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.Sensitive {
		return []byte(`{"sensitive":true}`), nil
	}
	type plain Value
	return json.Marshal(plain(v))
}

// encodeValue makes a Value of a known value; marks become Sensitive.
func encodeValue(v cty.Value) (Value, error) {
	secret := isSecret(v)
	v = bare(v)
	t, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return Value{}, fmt.Errorf("encode type: %w", err)
	}
	encoded, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return Value{}, fmt.Errorf("encode value: %w", err)
	}
	return Value{Type: t, Value: encoded, Sensitive: secret}, nil
}

// decode returns the value that was encoded. A sensitive value that was not
// kept is unknown, and so is what cannot be read.
func (v Value) decode() cty.Value {
	decoded := cty.DynamicVal
	if t, err := ctyjson.UnmarshalType(v.Type); err == nil && len(v.Value) > 0 {
		if value, err := ctyjson.Unmarshal(v.Value, t); err == nil {
			decoded = value
		}
	}
	if v.Sensitive {
		decoded = decoded.Mark(hclspec.MarkSensitive)
	}
	return decoded
}
