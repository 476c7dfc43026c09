package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/runstore"
	"github.com/ssmrun/ssmrun/internal/view"
)

func newHistory() *cobra.Command {
	var flags uiFlags
	cmd := &cobra.Command{
		Use:   "history [flags]",
		Short: "List the runs that were made from this directory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := flags.ui(cmd)
			if err != nil {
				return err
			}
			runs, err := runstore.List(runsRoot)
			if err != nil {
				return err
			}
			if u.json {
				return u.historyJSON(runs)
			}
			if len(runs) == 0 {
				_, err := fmt.Fprintf(u.stdout, "There are no runs in %s.\n", runsRoot)
				return err
			}
			past := make([]view.Run, len(runs))
			for i, r := range runs {
				past[i] = pastRun(r)
			}
			return view.WriteHistory(u.stdout, past, view.Options{Color: u.colorOut, Width: u.width})
		},
	}
	flags.register(cmd, "print one JSON object a run, one a line")
	return cmd
}

// historyJSON prints the runs, the newest first.
func (u *ui) historyJSON(runs []runstore.Summary) error {
	out := json.NewEncoder(u.stdout)
	for _, r := range runs {
		line := struct {
			RunID    string                  `json:"run_id"`
			Status   runstore.Status         `json:"status"`
			Started  *time.Time              `json:"started_at"`
			Ended    *time.Time              `json:"ended_at"`
			Runbook  string                  `json:"runbook"`
			Jobs     map[outcome.Outcome]int `json:"jobs"`
			ExitCode *int                    `json:"exit_code"`
		}{r.ID, r.Status, known(r.StartedAt), known(r.EndedAt), r.Start.Runbook, r.Jobs, nil}
		if r.Status == runstore.Complete {
			line.ExitCode = &r.ExitCode
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// known is null in JSON when there is no time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
