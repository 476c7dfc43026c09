package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newRoot() *cobra.Command {
	var chdir string
	root := &cobra.Command{
		Use:   "ssmrun [-chdir=DIR] COMMAND [flags] [DIR]",
		Short: "Run runbooks on fleets over AWS Systems Manager Session Manager",
		Long: `ssmrun runs operational runbooks over AWS Systems Manager Session Manager.

A runbook is a directory of *.ssm.hcl files that declare sessions (target,
document, parameters, reason) and the steps each session runs, with the output
that is expected of them. ssmrun resolves the targets, shows a plan, runs the
sessions in parallel, and keeps the output of every target and step.

Flags take one dash or two.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if chdir == "" {
				return nil
			}
			if err := os.Chdir(chdir); err != nil {
				return fmt.Errorf("-chdir: %w", err)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&chdir, "chdir", "", "switch to `DIR` before doing anything")
	root.CompletionOptions.DisableDescriptions = false
	root.AddCommand(
		newValidate(), newPlan(), newApply(), newExec(), newTargets(), newStartSession(),
		newShow(), newHistory(), newLab(), newVersion(),
	)
	refuseUnknownShells(root)
	return root
}

// refuseUnknownShells makes `completion NOPE` an error: cobra prints the help
// and succeeds.
func refuseUnknownShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}
