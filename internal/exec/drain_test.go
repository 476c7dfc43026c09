package exec

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// drainingWorld is a run of one step whose command exits with 3 after a second,
// in a session that does not end. How it is said is for the kind.
func drainingWorld(kind plan.Kind) (*world, *wire, *[]byte) {
	var typed []byte
	s := &wire{input: func(data []byte) { typed = append(typed, data...) }}
	w := documentWorld(s, nil)
	w.sessions[0].Kind = kind
	if kind == plan.KindCommand {
		w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
		w.answers.prepare = func(*plan.Job, *plan.Step, int) plan.Work {
			return plan.Work{Action: plan.ActionCommand, Script: []byte("exit 3"), Shell: "sh"}
		}
	}
	w.answers.judge = nil
	s.runs = func(a *channel.Agent, call plan.Call) {
		time.AfterFunc(time.Second, func() {
			if kind == plan.KindCommand {
				nonce := regexp.MustCompile(`N=([0-9a-f]{32})`).FindStringSubmatch(call.Parameters["command"][0])[1]
				said := "X 1 3 0 1 0 0 0 0"
				for _, line := range []string{"T 1 O 0 0 0", "T 1 E 0 0 0", said} {
					say(a, "@"+nonce+" "+line+"\n")
				}
			}
			_ = a.Exit(3)
		})
	}
	return w, s, &typed
}

// What ends a step while its session does nothing but end does not take back the
// exit code, and interrupts nothing.
func TestAnExitCodeOutlivesTheStepsTime(t *testing.T) {
	for _, kind := range []plan.Kind{plan.KindCommand, plan.KindDocument} {
		for name, c := range map[string]struct {
			timeout, cut time.Duration
			note         string
		}{
			"timeout": {timeout: 3 * time.Second, note: "the step's timeout passed (3s); the command had ended"},
			"cut":     {cut: 3 * time.Second, note: "interrupted; the command had ended"},
		} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, s, typed := drainingWorld(kind)
					w.change("one", func(s *plan.Step) { s.Timeout = c.timeout })
					ctx, cut := context.WithCancel(t.Context())
					defer cut()
					if c.cut > 0 {
						time.AfterFunc(c.cut, cut)
					}
					w.run(ctx)
					got := w.complete(t, "one")
					if got.Outcome != outcome.Failed || got.ExitCode == nil || *got.ExitCode != 3 || !strings.Contains(got.Note, c.note) {
						t.Errorf("step_complete %+v", got)
					}
					if d := w.summary.Duration; d > 4*time.Second || len(*typed) > 0 || s.terminated != 1 {
						t.Errorf("it took %s, %q was typed, %d sessions terminated", d, *typed, s.terminated)
					}
				})
			})
		}
	}
}
