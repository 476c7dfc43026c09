package hclspec

import (
	"io"

	"github.com/zclconf/go-cty/cty"
)

// LoadLab reads all *.lab.hcl files of dir.
func LoadLab(dir string) (*Lab, Diagnostics) { return &Lab{}, nil }

// LoadLabFile reads one lab file.
func LoadLabFile(path string) (*Lab, Diagnostics) { return &Lab{}, nil }

// VarFlag is one -var or -var-file of the command line.
type VarFlag struct {
	File bool   // -var-file: Text is a path
	Text string // else `name=value`
}

// LoadValues returns a value for every variable of rb. Later sources win, as
// in Terraform: defaults, SSMRUN_VAR_name in environ, ssmrun.ssmvars.hcl,
// *.auto.ssmvars.hcl of dir in name order, flags in their order. Values of
// sensitive and ephemeral variables are marked.
func LoadValues(rb *Runbook, dir string, flags []VarFlag, environ []string) (map[string]cty.Value, Diagnostics) {
	return map[string]cty.Value{}, nil
}

// MissingVariables returns the variables of rb that have no default and that
// none of LoadValues' sources sets: what a command may ask the operator for.
func MissingVariables(rb *Runbook, dir string, flags []VarFlag, environ []string) []*Variable {
	return nil
}

// WriteDiagnostics writes diags for people, each with the source lines it is
// about, in the manner of Terraform. A width of 0 does not wrap. Values of
// marked variables are never printed.
func WriteDiagnostics(w io.Writer, diags Diagnostics, files map[string]*File, width int, color bool) {
}
