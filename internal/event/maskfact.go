package event

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// fact returns a copy of a fact in which every secret is masked. What the
// fields marked `mask:"keep"` hold is copied as it is.
func (r *Redactor) fact(f Fact) Fact {
	if u, ok := f.(Unknown); ok {
		u.Text, u.Fields = r.String(u.Text), r.raw(u.Fields)
		return u
	}
	masked := r.value(reflect.ValueOf(f)).Interface().(Fact)
	if c, ok := masked.(StepCapture); ok && !c.Sensitive {
		c.Masked = !bytes.Equal(c.Value, f.(StepCapture).Value)
		return c
	}
	return masked
}

var rawType = reflect.TypeFor[json.RawMessage]()

// value masks a value of the kinds that facts are made of. It never changes
// what v refers to.
func (r *Redactor) value(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[string]() {
			return v // an enumeration, such as outcome.Outcome
		}
		return reflect.ValueOf(r.String(v.String()))
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("mask") == "keep" {
				out.Field(i).Set(v.Field(i))
			} else {
				out.Field(i).Set(r.value(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.Type() == rawType {
			return reflect.ValueOf(r.raw(v.Bytes()))
		}
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(r.value(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), r.value(it.Value()))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(r.value(v.Elem()))
		return out
	}
	return v
}

// raw masks the strings and numbers inside a JSON value, names of members
// included. A value that is not JSON is masked as text and becomes a string.
func (r *Redactor) raw(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return data
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		out, _ := marshal(r.String(string(data)))
		return out
	}
	masked, changed := r.json(v)
	if !changed {
		return data
	}
	out, err := marshal(masked)
	if err != nil {
		return json.RawMessage(`"` + Mask + `"`)
	}
	return out
}

func (r *Redactor) json(v any) (masked any, changed bool) {
	switch v := v.(type) {
	case string:
		m := r.String(v)
		return m, m != v
	case json.Number:
		if m := r.String(v.String()); m != v.String() {
			return m, true
		}
	case []any:
		for i := range v {
			m, c := r.json(v[i])
			v[i], changed = m, changed || c
		}
		return v, changed
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			name := r.String(k)
			m, c := r.json(e)
			out[name], changed = m, changed || c || name != k
		}
		return out, changed
	}
	return v, false
}
