package exec

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// recital is a Starter whose session hears some messages and then its end.
type recital struct{ frames [][]byte }

func (r *recital) Start(ctx context.Context, _ plan.Call, streams Streams, _ func(plan.Progress)) (*channel.Session, error) {
	client, service := channel.Pipe()
	session, err := channel.Connect(ctx, channel.Config{
		SessionID: "s-1", Token: "token", Stdout: streams.Stdout, Stderr: streams.Stderr,
		Dial: func(context.Context) (channel.Transport, error) { return client, nil },
	})
	for _, frame := range r.frames {
		_ = service.WriteFrame(channel.Frame{Data: frame})
	}
	return session, err
}

func (r *recital) Terminate(context.Context, string, string) error { return nil }

func agentSays(sequence int64, payloadType channel.PayloadType, payload string) []byte {
	return channel.AppendMessage(nil, &channel.Message{Type: channel.TypeOutput, SchemaVersion: 1, CreatedDate: 1,
		Sequence: sequence, PayloadType: payloadType, Payload: []byte(payload)})
}

// A session that ends with a gap, or without an exit code, proves nothing: what
// it did is unknown, and the operator is told what is missing and what to do.
func TestATruncatedSessionIsUnknown(t *testing.T) {
	shake := [][]byte{
		agentSays(0, channel.PayloadHandshakeRequest, `{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"NonInteractiveCommands"}}]}`),
		agentSays(1, channel.PayloadHandshakeComplete, `{}`),
	}
	closed := channel.AppendMessage(nil, &channel.Message{Type: channel.TypeChannelClosed, SchemaVersion: 1, CreatedDate: 1, Payload: []byte(`{"SessionId":"s-1"}`)})
	for name, c := range map[string]struct {
		says [][]byte
		want []string
	}{
		"a gap": {[][]byte{agentSays(2, channel.PayloadOutput, "a"), agentSays(5, channel.PayloadOutput, "d"),
			agentSays(6, channel.PayloadExitCode, "EXIT_CODE: 0")}, []string{"messages 3 to 4 are missing", "look at the target before anything is run again"}},
		"a gap behind exit code 0": {[][]byte{agentSays(2, channel.PayloadExitCode, "EXIT_CODE: 0"), agentSays(4, channel.PayloadOutput, "d")},
			[]string{"after exit code 0", "messages 3 to 3 are missing", "look at the target before anything is run again"}},
		"no exit code": {[][]byte{agentSays(2, channel.PayloadOutput, "a")}, []string{"without an exit code"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(newSession("web", 1, withSteps("one")))
				w.sessions[0].Kind = plan.KindCommand
				w.change("one", func(s *plan.Step) { s.Action = plan.ActionCommand })
				w.answers.prepare = func(_ *plan.Job, s *plan.Step, _ int) plan.Work {
					return plan.Work{Action: s.Action, Wait: time.Second, Script: []byte("true"), Shell: "sh"}
				}
				w.opts.Starter = &recital{append(append(append([][]byte(nil), shake...), c.says...), closed)}
				w.run(t.Context())
				wantOutcomes(t, w, jobsOf(w.sessions[0], outcome.Unknown))
				for _, want := range c.want {
					if got := w.lines("job_complete"); !strings.Contains(got, want) {
						t.Errorf("%q is not in: %s", want, got)
					}
				}
			})
		})
	}
}
