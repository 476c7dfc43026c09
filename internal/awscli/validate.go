package awscli

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Request is a StartSession call.
type Request struct {
	Target       string
	DocumentName *string // nil when it is not sent
	Reason       *string
	Parameters   map[string][]string

	call *Object
}

// JSON is the body of the call with its keys in the CLI's order.
func (r Request) JSON() string { return encodeJSON(r.call, false) }

// newRequest takes a call that was validated.
func newRequest(call *Object) Request {
	r := Request{call: call}
	for _, key := range call.Keys() {
		v, _ := call.Get(key)
		switch key {
		case "Target":
			r.Target = v.(string)
		case "DocumentName":
			r.DocumentName = new(v.(string))
		case "Reason":
			r.Reason = new(v.(string))
		case "Parameters":
			r.Parameters = map[string][]string{}
			o := v.(*Object)
			for _, name := range o.Keys() {
				values, _ := o.Get(name)
				list := []string{}
				for _, value := range values.([]any) {
					list = append(list, value.(string))
				}
				r.Parameters[name] = list
			}
		}
	}
	return r
}

// members are those of StartSessionRequest in the API model, and the shortest
// that each may be. The CLI checks no greatest length and no pattern: the
// service does.
var members = []struct {
	name string
	min  int
}{{"Target", 1}, {"DocumentName", 0}, {"Reason", 1}, {"Parameters", 0}}

// validate finds every mistake that botocore finds before it sends a call.
func validate(call *Object) error {
	v := &validator{}
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	if _, ok := call.Get("Target"); !ok {
		v.report(`Missing required parameter in input: "Target"`)
	}
	for _, key := range call.Keys() {
		if !slices.Contains(names, key) {
			v.report(`Unknown parameter in input: "%s", must be one of: %s`, key, strings.Join(names, ", "))
		}
	}
	for _, key := range call.Keys() {
		value, _ := call.Get(key)
		switch i := slices.Index(names, key); {
		case key == "Parameters":
			v.parameters(value)
		case i >= 0:
			v.text(key, value, members[i].min)
		}
	}
	if v.reports == nil {
		return nil
	}
	return invalid("Parameter validation failed:\n%s", strings.Join(v.reports, "\n"))
}

type validator struct{ reports []string }

func (v *validator) report(format string, args ...any) {
	v.reports = append(v.reports, fmt.Sprintf(format, args...))
}

func (v *validator) wrongType(name string, value any, types string) {
	v.report("Invalid type for parameter %s, value: %s, type: %s, valid types: %s", name, str(value), typeName(value), types)
}

func (v *validator) text(name string, value any, shortest int) {
	s, ok := value.(string)
	if !ok {
		v.wrongType(name, value, "<class 'str'>")
		return
	}
	if n := utf8.RuneCountInString(s); n < shortest {
		v.report("Invalid length for parameter %s, value: %d, valid min length: %d", name, n, shortest)
	}
}

func (v *validator) parameters(value any) {
	o, ok := value.(*Object)
	if !ok {
		v.wrongType("Parameters", value, "<class 'dict'>")
		return
	}
	for _, key := range o.Keys() {
		v.text("Parameters (key: "+key+")", key, 1)
		value, _ := o.Get(key)
		list, ok := value.([]any)
		if !ok {
			v.wrongType("Parameters."+key, value, "<class 'list'>, <class 'tuple'>")
			continue
		}
		for i, element := range list {
			v.text(fmt.Sprintf("Parameters.%s[%d]", key, i), element, 1)
		}
	}
}
