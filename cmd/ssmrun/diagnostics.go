package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// diagnose prints diagnostics, as text on stderr or as events on stdout, and
// returns silent when one of them is an error.
func (u *ui) diagnose(diags hclspec.Diagnostics, files map[string]*hclspec.File) error {
	if len(diags) == 0 {
		return nil
	}
	if u.json {
		for _, d := range diags {
			if err := u.stream(diagnosticFact(d, files)); err != nil {
				return err
			}
		}
	} else {
		hclspec.WriteDiagnostics(u.stderr, diags, files, u.width, u.colorErr)
	}
	if diags.HasErrors() {
		return silent
	}
	return nil
}

// diagnosticFact is a diagnostic as an event.
func diagnosticFact(d *hclspec.Diagnostic, files map[string]*hclspec.File) event.Diagnostic {
	fact := event.Diagnostic{Severity: event.SeverityError, Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hclspec.SeverityWarning {
		fact.Severity = event.SeverityWarning
	}
	if d.Subject != nil {
		r := d.Subject
		fact.Range = &event.Range{
			Filename: r.Filename,
			Start:    event.Pos{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
			End:      event.Pos{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte},
		}
		fact.Snippet = sourceLine(files[r.Filename], r.Start.Line)
	}
	return fact
}

// sourceLine is one line of a file, counted from 1, without its end.
func sourceLine(file *hclspec.File, line int) string {
	if file == nil {
		return ""
	}
	for text := range bytes.Lines(file.Bytes) {
		if line--; line == 0 {
			return strings.TrimRight(string(text), "\r\n")
		}
	}
	return ""
}

// checkVersion refuses a runbook that wants another ssmrun.
func checkVersion(rb *hclspec.Runbook) error {
	if rb.Settings.Allows(version) {
		return nil
	}
	return fmt.Errorf("%s wants ssmrun %s and this is %s: install a version that fits, or change required_version",
		rb.Settings.Range, rb.Settings.RequiredVersion, version)
}
