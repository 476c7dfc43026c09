package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func newValidate() *cobra.Command {
	var flags uiFlags
	cmd := &cobra.Command{
		Use:   "validate [flags] [DIR]",
		Short: "Check a runbook without touching AWS",
		Long: `Check the files of a runbook: syntax, blocks and attributes, names and where they
may be used. AWS is not asked, and variables need no values.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, dir, err := flags.begin(cmd, args)
			if err != nil {
				return err
			}
			rb, diags := hclspec.LoadRunbook(dir)
			if u.json {
				return u.validation(diags, rb.Files)
			}
			if err := u.diagnose(diags, rb.Files); err != nil {
				return err
			}
			if err := checkVersion(rb); err != nil {
				return err
			}
			fmt.Fprintf(u.stdout, "The runbook is valid: %d %s in %d %s.\n",
				len(rb.Sessions), plural(len(rb.Sessions), "session"), len(rb.Files), plural(len(rb.Files), "file"))
			return nil
		},
	}
	flags.register(cmd, "print one JSON object")
	return cmd
}

// validation prints the result as Terraform's `validate -json` does.
func (u *ui) validation(diags hclspec.Diagnostics, files map[string]*hclspec.File) error {
	result := struct {
		FormatVersion string             `json:"format_version"`
		Valid         bool               `json:"valid"`
		ErrorCount    int                `json:"error_count"`
		WarningCount  int                `json:"warning_count"`
		Diagnostics   []event.Diagnostic `json:"diagnostics"`
	}{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []event.Diagnostic{}}
	for _, d := range diags {
		if d.Severity == hclspec.SeverityError {
			result.ErrorCount++
		} else {
			result.WarningCount++
		}
		result.Diagnostics = append(result.Diagnostics, diagnosticFact(d, files))
	}
	out := json.NewEncoder(u.stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(result); err != nil {
		return err
	}
	if !result.Valid {
		return silent
	}
	return nil
}
