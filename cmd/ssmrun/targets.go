package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/view"
)

func newTargets() *cobra.Command {
	var (
		p     planning
		flags uiFlags
	)
	cmd := &cobra.Command{
		Use:   "targets [flags] [DIR]",
		Short: "Show what a runbook's selectors resolve to, and why not",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, dir, err := flags.begin(cmd, args)
			if err != nil {
				return err
			}
			in := catchInterrupts(cmd.Context(), u.stderr)
			defer in.release()
			ctx, stop := in.beforeRun()
			defer stop()
			prepared, _, err := p.find(ctx, u, dir)
			if err != nil {
				return in.explain(err)
			}
			defer prepared.close()
			if u.json {
				return u.targetsJSON(prepared.found)
			}
			return u.targets(prepared.found)
		},
	}
	p.register(cmd)
	flags.register(cmd, "print one JSON object a selector, one a line")
	return cmd
}

// targets prints a table for each selector, and what was left out.
func (u *ui) targets(found []plan.Found) error {
	for i, f := range found {
		if i > 0 {
			fmt.Fprintln(u.stdout)
		}
		fmt.Fprintf(u.stdout, "%s: %d %s\n", f.Address, len(f.Targets), plural(len(f.Targets), "target"))
		table := tabwriter.NewWriter(u.stdout, 0, 0, 2, ' ', 0)
		for _, t := range f.Targets {
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", view.Sanitize(t.ID), view.Sanitize(t.Name),
				view.Sanitize(t.Platform), view.Sanitize(t.PingStatus), view.Sanitize(t.IP))
		}
		for _, m := range f.Missing {
			fmt.Fprintf(table, "  %s\tleft out: %s\n", view.Sanitize(m.ID), view.Sanitize(m.Why))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (u *ui) targetsJSON(found []plan.Found) error {
	out := json.NewEncoder(u.stdout)
	for _, f := range found {
		err := out.Encode(struct {
			Address string         `json:"addr"`
			Targets []plan.Target  `json:"targets"`
			Missing []plan.Missing `json:"missing"`
		}{f.Address, f.Targets, f.Missing})
		if err != nil {
			return err
		}
	}
	return nil
}
