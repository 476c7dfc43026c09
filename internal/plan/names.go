package plan

import "github.com/ssmrun/ssmrun/internal/hclspec"

// The parts of a Verdict and a Conclusion that are hclspec's, named for the
// packages above, which may not import it.
type (
	Diagnostics = hclspec.Diagnostics
	Range       = hclspec.Range
)
