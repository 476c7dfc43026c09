package main

import (
	"fmt"
	"sort"
	"strings"
)

// adhoc is a runbook of one session with one step, as `exec` runs it and
// -save writes it.
type adhoc struct {
	ids      []string
	names    []string
	tags     map[string][]string
	platform string
	command  []string
	reason   string
	timeout  string
	canary   int
	failures string // max_failures
	parallel int
}

// file is the name of the one file that the runbook has.
const adhocFile = "exec.ssm.hcl"

// source is the runbook's text, in canonical form.
func (a *adhoc) source() string {
	var b strings.Builder
	b.WriteString("targets \"selected\" {\n")
	attrs := [][2]string{}
	add := func(name, value string) { attrs = append(attrs, [2]string{name, value}) }
	if len(a.ids) > 0 {
		add("ids", hclList(a.ids))
	}
	if len(a.names) > 0 {
		add("names", hclList(a.names))
	}
	if len(a.tags) > 0 {
		add("tags", hclTags(a.tags))
	}
	if a.platform != "" {
		add("platform", hclString(a.platform))
	}
	writeAttributes(&b, "  ", attrs)
	b.WriteString("}\n\nsession \"exec\" {\n")
	attrs = [][2]string{{"target", "targets.selected"}, {"reason", hclString(a.reason)}}
	if a.timeout != "" {
		add("timeout", hclString(a.timeout))
	}
	writeAttributes(&b, "  ", attrs)
	if rollout := a.rollout(); len(rollout) > 0 {
		b.WriteString("\n  rollout {\n")
		writeAttributes(&b, "    ", rollout)
		b.WriteString("  }\n")
	}
	b.WriteString("\n  step \"run\" {\n    command = ")
	if len(a.command) == 1 {
		b.WriteString(hclString(a.command[0]))
	} else {
		b.WriteString(hclList(a.command))
	}
	b.WriteString("\n  }\n}\n")
	return b.String()
}

// rollout has the attributes of the rollout block; without any there is none,
// and the safe default stands.
func (a *adhoc) rollout() [][2]string {
	var attrs [][2]string
	if a.canary > 0 {
		attrs = append(attrs, [2]string{"waves", fmt.Sprintf("[%d, \"100%%\"]", a.canary)})
	}
	if a.failures != "" {
		attrs = append(attrs, [2]string{"max_failures", hclString(a.failures)})
	}
	if a.parallel > 0 {
		attrs = append(attrs, [2]string{"max_parallel", fmt.Sprint(a.parallel)})
	}
	return attrs
}

func writeAttributes(b *strings.Builder, indent string, attrs [][2]string) {
	width := 0
	for _, a := range attrs {
		width = max(width, len(a[0]))
	}
	for _, a := range attrs {
		fmt.Fprintf(b, "%s%-*s = %s\n", indent, width, a[0], a[1])
	}
}

func hclTags(tags map[string][]string) string {
	keys := make([]string, 0, len(tags))
	for k := range tags {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	parts := make([]string, len(keys))
	for i, k := range keys {
		value := hclList(tags[k])
		if len(tags[k]) == 1 {
			value = hclString(tags[k][0])
		}
		parts[i] = hclString(k) + " = " + value
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func hclList(values []string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = hclString(v)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// hclString is s as a quoted HCL string without templates.
func hclString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
