package main

import (
	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/view"
)

// applying is what commands that run a plan are told by their flags.
type applying struct {
	planning    planning
	ui          uiFlags
	autoApprove bool
	parallelism int
	verbose     bool
	adhoc       []string // the command of exec: outputs are folded
}

func (a *applying) register(cmd *cobra.Command) {
	a.planning.register(cmd)
	a.ui.register(cmd, "print events, one JSON object a line")
	fs := cmd.Flags()
	fs.BoolVar(&a.autoApprove, "auto-approve", false, "run without asking")
	fs.IntVar(&a.parallelism, "parallelism", 0, "run at most `N` jobs at a time, over all sessions; 0 leaves it to the rollouts")
	fs.BoolVar(&a.verbose, "verbose", false, "show the output of steps that pass, too")
}

func newApply() *cobra.Command {
	var a applying
	cmd := &cobra.Command{
		Use:   "apply [flags] [DIR]",
		Short: "Run a runbook: plan, ask, run",
		Long: `Plan, ask, and run the runbook. Every target's output is kept in .ssmrun/runs.

The first Ctrl-C starts nothing new and lets running steps finish; the second
one cuts the sessions. Sessions are terminated in every case.

Exit codes: 0 all passed, 1 usage or configuration, 3 a step, command or check
failed or timed out, 4 a target was unreachable, 5 a rollout halted, 6 an outcome
is unknown, 7 not approved, 130 interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := directory(args)
			if err != nil {
				return err
			}
			return a.apply(cmd, dir)
		},
	}
	a.register(cmd)
	return cmd
}

// apply plans the runbook in dir, asks, and runs it.
func (a *applying) apply(cmd *cobra.Command, dir string) error {
	u, err := a.ui.ui(cmd)
	if err != nil {
		return err
	}
	if a.parallelism < 0 {
		return usageError("-parallelism takes the number of jobs that may run at a time, or 0")
	}
	if u.json && !a.autoApprove {
		return usageError("-json needs -auto-approve: standard output is for events, so there is nowhere to show the plan that would be approved")
	}
	in := catchInterrupts(cmd.Context(), u.stderr)
	defer in.release()
	ctx, stop := in.beforeRun()
	defer stop()

	prepared, err := a.planning.prepare(ctx, u, dir)
	if err != nil {
		return in.explain(err)
	}
	defer prepared.close()
	nothing := view.Jobs(prepared.plan) == 0
	if !u.json || nothing { // the events of a run begin with its plan
		if err := u.showPlan(prepared); err != nil {
			return err
		}
	}
	if nothing {
		return nil
	}
	approve := newApprover(cmd.InOrStdin(), u.stderr, a.autoApprove, a.planning.inputs.ask)
	if err := approve.plan(ctx, view.Targets(prepared.plan)); err != nil {
		return err
	}
	summary, err := a.run(in, u, prepared, approve)
	if err != nil {
		return err
	}
	if code := summary.ExitCode(); code != 0 {
		return exitError{code: code}
	}
	return nil
}
