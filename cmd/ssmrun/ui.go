package main

import (
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/view"
)

// ui is where a command speaks: results on stdout, everything else on stderr.
// Colours are used when the stream is a terminal, NO_COLOR is not set and
// -color does not say otherwise.
type ui struct {
	stdout, stderr io.Writer
	json           bool
	colorOut       bool
	colorErr       bool
	width          int  // of the terminal, 0 when there is none
	begun          bool // the stream of -json has its first line
}

// stream writes facts that belong to no run on stdout, one JSON object a line.
// The first line of a stream says which version it has.
func (u *ui) stream(facts ...event.Fact) error {
	v := view.NewJSON(u.stdout)
	if !u.begun {
		u.begun = true
		v.Record(event.Record{Time: time.Now(), Fact: versionFact})
	}
	for _, fact := range facts {
		v.Record(event.Record{Time: time.Now(), Fact: fact})
	}
	return v.Close()
}

// uiFlags are the flags that shape what a command prints.
type uiFlags struct {
	json    bool
	color   string
	noColor bool
}

func (f *uiFlags) register(cmd *cobra.Command, what string) {
	fs := cmd.Flags()
	if what != "" {
		fs.BoolVar(&f.json, "json", false, what)
	}
	fs.StringVar(&f.color, "color", "auto", "`WHEN` to use colours: on, off or auto")
	fs.BoolVar(&f.noColor, "no-color", false, "the same as -color=off")
}

func (f *uiFlags) ui(cmd *cobra.Command) (*ui, error) {
	switch f.color {
	case "on", "off", "auto":
	default:
		return nil, usageError("-color takes on, off or auto")
	}
	u := &ui{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), json: f.json}
	u.colorOut, u.colorErr = f.wants(os.Stdout), f.wants(os.Stderr)
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		u.width = w
	}
	return u, nil
}

// begin is what a command about a runbook needs first: where to speak, and the
// directory it was given.
func (f *uiFlags) begin(cmd *cobra.Command, args []string) (*ui, string, error) {
	u, err := f.ui(cmd)
	if err != nil {
		return nil, "", err
	}
	dir, err := directory(args)
	return u, dir, err
}

func (f *uiFlags) wants(stream *os.File) bool {
	switch {
	case f.noColor || f.color == "off":
		return false
	case f.color == "on":
		return true
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(stream.Fd()))
}

func usageError(text string) error { return exitError{code: 1, err: errorText(text)} }

type errorText string

func (e errorText) Error() string { return string(e) }
