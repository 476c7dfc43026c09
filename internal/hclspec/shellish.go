package hclspec

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// In a template ${ and %{ belong to HCL, but authors paste shell (${VAR:-x}) and
// curl (%{http_code}). What can only be meant for them is said before the
// parser, whose own complaint would be about something else. ${VAR} alone is a
// valid reference to a name that does not exist: see hintShell.

// shellOnly matches sequences that no template expression can begin with: an
// operator of shell's parameter expansion right after the name, a special
// parameter, or a bare number.
var shellOnly = regexp.MustCompile(`^\$\{(?:` + strings.Join([]string{
	`[A-Za-z_][A-Za-z0-9_]*(?::[-=?+0-9]|#|%[%.*?/]|\^|,,|,\}|@|//|=[^=]|\?[^ :}]*\}|\+\}|\[[@*]\])`,
	`[A-Z_][A-Z0-9_]*/[^ }]*/`, // lower case may be a division
	`#[A-Za-z_@*0-9]`,
	`[@*?$!]\}`,
	`[0-9]{1,2}\}`,
	`![A-Za-z_][A-Za-z0-9_]*[@*]\}`,
}, "|") + `)`)

var directives = regexp.MustCompile(`^%\{~?[ \t\r\n]*(?:if|else|endif|for|endfor)\b`)

// shell complains about a template sequence that is meant for someone else.
func (p *prescanner) shell(tok *hclsyntax.Token) {
	start := tok.Range.Start.Byte
	if start < 0 || start >= len(p.src) {
		return
	}
	rest := p.src[start:]
	head := rest[:min(len(rest), 256)]
	foreign := !directives.Match(head)
	if tok.Type == hclsyntax.TokenTemplateInterp {
		foreign = shellOnly.Match(head)
	}
	if foreign {
		p.shells = append(p.shells, shellComplaint(sequence(rest), tok.Range))
	}
}

// explainShell replaces a parser's complaint about a sequence that looks like
// shell's.
func explainShell(diags hcl.Diagnostics, src []byte) hcl.Diagnostics {
	for i, diag := range diags {
		if diag.Subject == nil || diag.Severity != hcl.DiagError {
			continue
		}
		at := min(diag.Subject.Start.Byte, len(src))
		line := bytes.LastIndexByte(src[:at], '\n') + 1
		open := bytes.LastIndex(src[line:at], []byte("${"))
		if open < 0 || bytes.HasSuffix(src[line:line+open], []byte("$")) {
			continue
		}
		text := sequence(src[line+open:])
		if !shellLike.MatchString(text) {
			continue
		}
		start := diag.Subject.Start
		start.Column -= at - (line + open)
		start.Byte = line + open
		end := start
		end.Byte, end.Column = end.Byte+2, end.Column+2
		diags[i] = shellComplaint(text, hcl.Range{Filename: diag.Subject.Filename, Start: start, End: end})
	}
	return diags
}

var shellLike = regexp.MustCompile(`^\$\{[#!]?[A-Za-z_][A-Za-z0-9_]*(?:[-:=?+#%/^,@\[][^"]*)?\}$`)

func shellComplaint(text string, rng hcl.Range) *hcl.Diagnostic {
	who := "a shell"
	if strings.HasPrefix(text, "%") {
		who = "another program, such as curl"
	}
	escaped := text[:1] + text
	return complaint(rng, "Not a template sequence",
		"In a string %s begins a template sequence of the runbook, and %s is none. If it is meant for %s, write %s.",
		text[:2], text, who, escaped)
}

// sequence cuts the sequence that src begins with: to the closing brace, or the
// end of the line, or 40 bytes.
func sequence(src []byte) string {
	end := bytes.IndexAny(src, "}\n\"")
	if end < 0 {
		end = len(src)
	} else if src[end] == '}' {
		end++
	}
	if end > 40 {
		return string(src[:40]) + "…"
	}
	return string(src[:end])
}

// hintShell returns a sentence for a name that does not exist: when it stands
// alone in ${ }, it may be meant for a shell.
func hintShell(src []byte, rng hcl.Range) string {
	start, end := rng.Start.Byte, rng.End.Byte
	if start < 2 || end > len(src) || start > end {
		return ""
	}
	name := string(src[start:end])
	before := strings.TrimRight(string(src[max(0, start-3):start]), " !")
	if !strings.HasSuffix(before, "${") {
		return ""
	}
	return " If it is meant for the shell, write $${" + name + "}."
}
