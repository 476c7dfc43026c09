package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// inputs are the flags that give values to a runbook's variables.
type inputs struct {
	flags []hclspec.VarFlag // -var and -var-file, in the order of the command line
	ask   bool              // -input
}

func (in *inputs) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&varFlag{to: &in.flags}, "var", "set a variable: `NAME=VALUE`; may be repeated")
	fs.Var(&varFlag{to: &in.flags, file: true}, "var-file", "take values from `FILE`; may be repeated, and later ones win")
	fs.BoolVar(&in.ask, "input", true, "ask for variables that have no value, and for approval")
}

// varFlag appends to a list that -var and -var-file share, so that their order
// is kept.
type varFlag struct {
	to   *[]hclspec.VarFlag
	file bool
}

func (v *varFlag) String() string { return "" }
func (v *varFlag) Type() string   { return "value" }
func (v *varFlag) Set(text string) error {
	if name, _, ok := strings.Cut(text, "="); !v.file && (!ok || name == "") {
		return fmt.Errorf("want NAME=VALUE")
	}
	*v.to = append(*v.to, hclspec.VarFlag{File: v.file, Text: text})
	return nil
}

// askMissing asks on the terminal for the variables that nothing sets, and
// adds the answers to the flags. Without a terminal it asks nothing: loading
// the values then says what is missing and how to set it.
func (in *inputs) askMissing(u *ui, rb *hclspec.Runbook, dir string) error {
	if !in.ask || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	lines := bufio.NewReader(os.Stdin)
	for _, v := range hclspec.MissingVariables(rb, dir, in.flags, os.Environ()) {
		fmt.Fprintf(u.stderr, "var.%s\n", v.Name)
		if v.Description != "" {
			fmt.Fprintf(u.stderr, "  %s\n", v.Description)
		}
		fmt.Fprint(u.stderr, "\n  Enter a value: ")
		answer, err := readAnswer(lines, v.Sensitive || v.Ephemeral)
		fmt.Fprintln(u.stderr)
		if err != nil {
			return fmt.Errorf("read a value for var.%s: %w", v.Name, err)
		}
		in.flags = append(in.flags, hclspec.VarFlag{Text: v.Name + "=" + answer})
	}
	return nil
}

// readAnswer reads a line, without echo when it is a secret.
func readAnswer(lines *bufio.Reader, secret bool) (string, error) {
	if secret {
		b, err := term.ReadPassword(int(os.Stdin.Fd()))
		return string(b), err
	}
	line, err := lines.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}
