package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/ssmrun/ssmrun/internal/awscli"
)

// printSkeleton prints what --generate-cli-skeleton asks for. Nothing is said
// to AWS.
func printSkeleton(w io.Writer, c *awscli.Command) error {
	text := awscli.Skeleton()
	if c.Skeleton == "output" {
		var err error
		if text, err = shaped(c.Globals.Output).Text("StartSession", awscli.SampleResponse()); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// shaped fills in what the options leave to the environment.
func shaped(o awscli.Output) *awscli.Output {
	o.Format = cmp.Or(o.Format, os.Getenv("AWS_DEFAULT_OUTPUT"))
	o.Terminal = term.IsTerminal(int(os.Stdout.Fd()))
	o.Width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	return &o
}

// report says on w what went wrong, as the AWS CLI does, and returns the error
// with nothing left to say.
func report(w io.Writer, c *awscli.Command, err error) error {
	mistake, ok := errors.AsType[*awscli.Error](err)
	if !ok {
		return err
	}
	format := cmp.Or(c.Globals.ErrorFormat, os.Getenv("AWS_CLI_ERROR_FORMAT"))
	width, _, _ := term.GetSize(int(os.Stderr.Fd()))
	fmt.Fprint(w, mistake.Report("ssmrun", format, width))
	if h, ok := errors.AsType[hinted](err); ok && h.hint != "" && (format == "" || format == "enhanced") {
		fmt.Fprintf(w, "\nHint: %s\n", h.hint)
	}
	return exitError{code: mistake.Exit}
}

// startSessionOptions lists the options for the help.
func startSessionOptions() string {
	var b strings.Builder
	line := func(name, help string) { fmt.Fprintf(&b, "  --%-24s %s\n", name, help) }
	b.WriteString("Options:\n")
	for _, global := range []bool{false, true} {
		for _, o := range awscli.Options() {
			if o.Global == global {
				line(o.Name+operand(o), o.Help)
			}
		}
		if !global {
			line(separateOutput, "write the remote stderr to stderr, not to stdout")
			b.WriteString("\nOptions of every aws command:\n")
		}
	}
	return b.String()
}

// operand shows what an option's value is.
func operand(o awscli.Option) string {
	switch {
	case o.Kind == awscli.Maybe:
		return " [input|output]"
	case o.Kind != awscli.Value:
		return ""
	case len(o.Choices) > 0 && len(o.Choices) < 4:
		return " " + strings.Join(o.Choices, "|")
	}
	return " VALUE"
}
