package view

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ssmrun/ssmrun/internal/event"
)

// outputText renders the value of an output block as it could be written in a
// runbook.
func outputText(o event.Output, indent string) string {
	switch {
	case o.Sensitive:
		return "(sensitive value)"
	case len(o.Value) == 0:
		return "(not known)"
	}
	dec := json.NewDecoder(bytes.NewReader(o.Value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return Sanitize(string(o.Value))
	}
	return valueText(v, indent)
}

var bareKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func valueText(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	case json.Number:
		return v.String()
	case string:
		return quoted(v)
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		var b strings.Builder
		b.WriteString("[\n")
		for _, e := range v {
			b.WriteString(indent + "  " + valueText(e, indent+"  ") + ",\n")
		}
		return b.String() + indent + "]"
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		var b strings.Builder
		b.WriteString("{\n")
		for _, k := range slices.Sorted(maps.Keys(v)) {
			name := k
			if !bareKey.MatchString(k) {
				name = quoted(k)
			}
			b.WriteString(indent + "  " + name + " = " + valueText(v[k], indent+"  ") + "\n")
		}
		return b.String() + indent + "}"
	}
	return ""
}

// quoted writes a string in quotes, safe to print.
func quoted(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return `"` + Sanitize(s) + `"`
}
