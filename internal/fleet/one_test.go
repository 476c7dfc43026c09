package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// A request of a person goes out as it was given: no mark of a run, empty text
// where empty text was given, nothing where nothing was.
func TestBeginSendsWhatWasAskedFor(t *testing.T) {
	s := &service{}
	f := inMemory(t, s, Options{})
	for _, c := range []struct {
		request Request
		want    string
	}{
		{Request{Target: "i-1"}, "map[Target:i-1]"},
		{Request{Target: "i-1", DocumentName: new(""), Reason: new("why"), Parameters: map[string][]string{"a": {"b", "c"}}},
			"map[DocumentName: Parameters:map[a:[b c]] Reason:why Target:i-1]"},
		{Request{Target: "i-1", Parameters: map[string][]string{}}, "map[Parameters:map[] Target:i-1]"},
	} {
		begun, err := f.Begin(t.Context(), "aws", c.request)
		if err != nil {
			t.Fatal(err)
		}
		if begun.ID() == "" {
			t.Error("no session id")
		}
		if got := fmt.Sprint(s.last); got != c.want {
			t.Errorf("sent %s, want %s", got, c.want)
		}
	}
}

func TestBeginTriesAsTheCLIDoes(t *testing.T) {
	throttled := refuse(400, "ThrottlingException")
	for _, c := range []struct {
		name    string
		steps   []func(http.ResponseWriter)
		calls   int
		code    string // "" when it succeeds or has none
		retries int
		ok      bool
	}{
		{"throttled twice", []func(http.ResponseWriter){throttled, throttled}, 3, "", 0, true},
		{"throttled for long", []func(http.ResponseWriter){throttled, throttled, throttled, throttled}, 3, "ThrottlingException", 2, false},
		{"offline", []func(http.ResponseWriter){refuse(400, "TargetNotConnected")}, 1, "TargetNotConnected", 0, false},
		{"internal error", []func(http.ResponseWriter){refuse(500, "InternalServerError")}, 1, "InternalServerError", 0, false},
		{"answer lost", []func(http.ResponseWriter){drop(io.ErrUnexpectedEOF)}, 1, "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{start: answers(c.steps...)}
				f := inMemory(t, s, Options{})
				_, err := f.Begin(t.Context(), "aws", Request{Target: "i-1"})
				if calls := s.count("StartSession"); calls != c.calls {
					t.Errorf("%d calls, want %d", calls, c.calls)
				}
				if c.ok {
					if err != nil {
						t.Error(err)
					}
					return
				}
				failure, ok := errors.AsType[*RequestError](err)
				if !ok || failure.Code != c.code || failure.Retries != c.retries {
					t.Errorf("got %#v, want code %q and %d retries", err, c.code, c.retries)
				}
				if c.code != "" && failure.Message != "because" {
					t.Errorf("message %q is not the service's", failure.Message)
				}
			})
		})
	}
}

// Nobody is left to end a session whose start was given up: Begin does.
func TestBeginTerminatesWhatNobodyWantsAnyMore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &service{start: func(int, http.ResponseWriter, *http.Request) bool { cancel(); return false }}
	f := inMemory(t, s, Options{})
	if _, err := f.Begin(ctx, "aws", Request{Target: "i-1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancellation", err)
	}
	if open := s.open(); len(open) != 0 {
		t.Errorf("sessions %v are open still", open)
	}
}

func TestBegunConnectsAndTerminates(t *testing.T) {
	g := newGateway()
	srv := httptest.NewServer(g)
	defer srv.Close()
	f := isolated(t, srv.URL, nil, plan.Provider{Key: "aws"})
	begun, err := f.Begin(t.Context(), "aws", Request{Target: "i-1"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	session, err := begun.Connect(t.Context(), Output{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	exit, ok := errors.AsType[*channel.ExitError](session.Wait(ctx))
	if !ok || exit.Code != 7 || out.String() != "hello" {
		t.Errorf("got %v and %q", exit, out.String())
	}
	if err := begun.Terminate(t.Context()); err != nil {
		t.Error(err)
	}
	if open := g.open(); len(open) != 0 {
		t.Errorf("sessions %v are open still", open)
	}
}
