package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/runstore"
	"github.com/ssmrun/ssmrun/internal/view"
)

func newShow() *cobra.Command {
	var (
		flags   uiFlags
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "show [flags] [RUN]",
		Short: "Show what one run did",
		Long: `Show a run: its events as they were shown while it ran, and its summary. RUN is a
run's id, the beginning of one, or nothing for the last run. A run that is still
going, or whose process died, is shown as far as it got.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, err := flags.ui(cmd)
			if err != nil {
				return err
			}
			id, err := findRun(args)
			if err != nil {
				return err
			}
			run, err := runstore.Open(runsRoot, id)
			if err != nil {
				return fmt.Errorf("open run %s: %w", id, err)
			}
			defer run.Close()
			return u.show(run, verbose)
		},
	}
	flags.register(cmd, "print the run's events, one JSON object a line")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show the output of steps that passed, too")
	return cmd
}

// show shows a run from its journal. What can be read of a damaged one is shown
// before the damage is reported.
func (u *ui) show(run *runstore.Run, verbose bool) error {
	if u.json {
		return u.showJSON(run)
	}
	err := view.WriteShow(u.stdout, pastRun(run.Summary()), run.Records(), view.Options{
		Color: u.colorOut, Width: u.width, Output: run.ReadOutput, Verbose: verbose,
	})
	if err != nil {
		return fmt.Errorf("show run %s: %w", run.ID(), err)
	}
	return nil
}

func (u *ui) showJSON(run *runstore.Run) error {
	v := view.NewJSON(u.stdout)
	for rec, err := range run.Records() {
		if err != nil {
			return errors.Join(v.Close(), fmt.Errorf("read the journal of run %s: %w", run.ID(), err))
		}
		v.Record(rec)
	}
	return v.Close()
}

// pastRun is a kept run as views introduce it.
func pastRun(s runstore.Summary) view.Run {
	runbook := s.Start.Runbook
	if len(s.Start.Command) > 0 {
		runbook = "exec: " + strings.Join(s.Start.Command, " ")
	}
	return view.Run{
		ID:        s.ID,
		Dir:       s.Dir,
		Status:    string(s.Status),
		StartedAt: s.StartedAt,
		EndedAt:   s.EndedAt,
		Runbook:   runbook,
		Jobs:      s.Jobs,
		Planned:   s.Start.Jobs,
		ExitCode:  s.ExitCode,
		Err:       s.Err,
	}
}

// findRun returns the id of the run that a command was given.
func findRun(args []string) (string, error) {
	runs, err := runstore.List(runsRoot)
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "", fmt.Errorf("there are no runs in %s: ssmrun apply makes one, and show looks in the directory it is called in", runsRoot)
	}
	if len(args) == 0 {
		return runs[0].ID, nil
	}
	var found []string
	for _, r := range runs {
		if r.ID == args[0] {
			return r.ID, nil
		}
		if strings.HasPrefix(r.ID, args[0]) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no run %s in %s: ssmrun history lists them", args[0], runsRoot)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d runs begin with %s: give more of the id", len(found), args[0])
}
