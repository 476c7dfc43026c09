package hclspec

import (
	"io"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
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

// Snapshot reads files of the operator's machine, each once.
type Snapshot struct{ dir string }

// NewSnapshot returns a Snapshot for which relative paths start at dir.
func NewSnapshot(dir string) *Snapshot { return &Snapshot{dir: dir} }

// Read returns the content of a file, the same bytes every time it is asked.
func (s *Snapshot) Read(path string) ([]byte, error) { return nil, nil }

// Digests returns the SHA-256, in hex, of every file read so far, by the path
// as it was asked for.
func (s *Snapshot) Digests() map[string]string { return nil }

// FunctionOptions says where functions read from. The zero value works.
type FunctionOptions struct {
	Files *Snapshot // of the file functions; nil: NewSnapshot(".")
}

// Functions returns the functions that expressions may call, by name.
func Functions(opts FunctionOptions) map[string]function.Function { return nil }

// WriteDiagnostics writes diags for people, each with the source lines it is
// about, in the manner of Terraform. A width of 0 does not wrap. Values of
// marked variables are never printed.
func WriteDiagnostics(w io.Writer, diags Diagnostics, files map[string]*File, width int, color bool) {
}

type functionSource struct{}

func functionTable(functionSource) map[string]function.Function { return nil }
