package shell

import (
	"errors"
	"io"
)

// WrapCommand makes the command line of a command-kind session for step.
func WrapCommand(step Step) (string, *Trailer, error) { return "", nil, errors.ErrUnsupported }

// Trailer takes the output of a wrapped command apart.
type Trailer struct{}

// SetOutput names where the step's decoded streams go.
func (t *Trailer) SetOutput(stdout, stderr io.Writer) {}

// Stdout takes the session's standard output.
func (t *Trailer) Stdout() io.Writer { return io.Discard }

// Stderr takes the session's standard error.
func (t *Trailer) Stderr() io.Writer { return io.Discard }

// Result says how the step ended, or *LostError when the trailer did not come.
func (t *Trailer) Result() (Result, error) { return Result{}, &LostError{Err: errors.ErrUnsupported} }
