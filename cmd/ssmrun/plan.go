package main

import (
	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/view"
)

func newPlan() *cobra.Command {
	var (
		p        planning
		flags    uiFlags
		detailed bool
	)
	cmd := &cobra.Command{
		Use:   "plan [flags] [DIR]",
		Short: "Show what a runbook would do, and where",
		Long: `Resolve the targets, evaluate the runbook and show the plan: every target, every
wave, every rendered command, and how long StartSession's quota will take.
Nothing is run.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, dir, err := flags.begin(cmd, args)
			if err != nil {
				return err
			}
			in := catchInterrupts(cmd.Context(), u.stderr)
			defer in.release()
			ctx, stop := in.beforeRun()
			defer stop()
			prepared, err := p.prepare(ctx, u, dir)
			if err != nil {
				return in.explain(err)
			}
			defer prepared.close()
			if err := u.showPlan(prepared); err != nil {
				return err
			}
			if detailed && view.Jobs(prepared.plan) > 0 {
				return exitError{code: outcome.ExitChanges}
			}
			return nil
		},
	}
	p.register(cmd)
	flags.register(cmd, "print events, one JSON object a line")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 2 when there is something to run")
	return cmd
}

// showPlan prints what was prepared on stdout.
func (u *ui) showPlan(p *prepared) error {
	opts := view.Options{Color: u.colorOut, Width: u.width, StartRate: p.startRate}
	if u.json {
		return u.stream(view.PlanFacts(p.plan, opts)...)
	}
	return view.WritePlan(u.stdout, p.plan, opts)
}
