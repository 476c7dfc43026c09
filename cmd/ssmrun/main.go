package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ssmrun/ssmrun/internal/lab"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

func main() {
	lab.Main()
	tuneCollector()
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns the process's exit code.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(normalizeFlags(root, args))
	return exitCode(root.Execute(), os.Stderr)
}

// exitCode says on w what went wrong, and returns the process's exit code.
func exitCode(err error, w io.Writer) int {
	if err == nil {
		return outcome.ExitPassed
	}
	exit := exitError{code: outcome.ExitError, err: err}
	errors.As(err, &exit)
	if exit.err != nil {
		fmt.Fprintf(w, "Error: %v\n", exit.err)
	}
	return exit.code
}

// exitError ends the process with a code of its own. A nil err means that
// everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

// silent is exit code 1 after diagnostics that have been printed.
var silent = exitError{code: outcome.ExitError}
