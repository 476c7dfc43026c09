package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// startMany starts n sessions at once and returns how many calls that took.
func startMany(t *testing.T, f *Fleet, s *service, n int) int {
	t.Helper()
	p, err := f.provider("aws")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, err := f.startSession(t.Context(), p, plan.Call{Provider: "aws", Target: fmt.Sprintf("i-%04d", i)}, nil)
			if err != nil {
				t.Errorf("start %d: %v", i, err)
			}
		})
		synctest.Wait()
	}
	wg.Wait()
	return s.count("StartSession")
}

func TestStartsKeepTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{startRate: 3}
		f := inMemory(t, s, Options{})
		const n = 300
		if calls := startMany(t, f, s, n); calls != n {
			t.Errorf("%d calls for %d sessions: some were throttled", calls, n)
		}
		took := s.starts[n-1].Sub(s.starts[0])
		if want := time.Duration(n-1) * time.Second / 2; took > want*102/100 || took < want-time.Millisecond {
			t.Errorf("the last of %d was accepted after %v, want %v", n, took, want)
		}
		for i, target := range s.targets {
			if want := fmt.Sprintf("i-%04d", i); target != want {
				t.Fatalf("call %d was for %s, want %s: the queue is not in order", i, target, want)
			}
		}
	})
}

// R14: a service that throttles at less than our rate.
func TestStartsSurviveThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{startRate: 5}
		f := inMemory(t, s, Options{StartRate: 12})
		const n = 1000
		calls := startMany(t, f, s, n)
		if len(s.starts) != n {
			t.Errorf("%d of %d sessions started", len(s.starts), n)
		}
		if float64(calls) > 1.3*n {
			t.Errorf("%d calls for %d sessions, want at most 1.3 times as many", calls, n)
		}
		if took := s.starts[n-1].Sub(s.starts[0]); took > 2*n/5*time.Second {
			t.Errorf("took %v at 5/s allowed: backed off too far", took)
		}
	})
}

// answers makes a start hook of what happens to each call in turn; the rest
// succeed.
func answers(steps ...func(w http.ResponseWriter)) func(int, http.ResponseWriter, *http.Request) bool {
	return func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > len(steps) {
			return false
		}
		steps[n-1](w)
		return true
	}
}

func refuse(status int, code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { fail(w, status, code, "because") }
}

func drop(err error) func(http.ResponseWriter) {
	return func(http.ResponseWriter) { panic(dropped{err}) }
}

func TestStartTriesAgainOnlyWhatIsSafe(t *testing.T) {
	garbled := func(w http.ResponseWriter) { io.WriteString(w, `{"SessionId":"me-1","TokenValue":`) }
	cases := []struct {
		name      string
		steps     []func(http.ResponseWriter)
		calls     int
		code      string // "" when it succeeds
		ambiguous bool
	}{
		{"accepted", nil, 1, "", false},
		{"throttled twice", []func(http.ResponseWriter){refuse(400, "ThrottlingException"), refuse(400, "ThrottlingException")}, 3, "", false},
		{"429 without a code", []func(http.ResponseWriter){refuse(429, "")}, 2, "", false},
		{"offline", []func(http.ResponseWriter){refuse(400, "TargetNotConnected")}, 1, "TargetNotConnected", false},
		{"denied", []func(http.ResponseWriter){refuse(400, "AccessDeniedException")}, 1, "AccessDeniedException", false},
		{"no such document", []func(http.ResponseWriter){refuse(400, "InvalidDocument")}, 1, "InvalidDocument", false},
		{"internal error", []func(http.ResponseWriter){refuse(500, "InternalServerError")}, 1, "InternalServerError", true},
		{"unavailable", []func(http.ResponseWriter){refuse(503, "ServiceUnavailable")}, 1, "ServiceUnavailable", true},
		{"gateway timeout", []func(http.ResponseWriter){refuse(504, "")}, 1, "", true},
		{"answer lost", []func(http.ResponseWriter){drop(io.ErrUnexpectedEOF)}, 1, CodeNoAnswer, true},
		{"answer garbled", []func(http.ResponseWriter){garbled}, 1, CodeNoAnswer, true},
		{"answer empty", []func(http.ResponseWriter){func(w http.ResponseWriter) { reply(w, map[string]any{}) }}, 1, CodeNoAnswer, true},
		{"redirect", []func(http.ResponseWriter){func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:2/")
			w.WriteHeader(307)
		}}, 1, "", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{start: answers(c.steps...)}
				f := inMemory(t, s, Options{})
				f.client.CheckRedirect = f.newClient(nil).CheckRedirect
				p := f.providers["aws"]
				_, err := f.startSession(t.Context(), p, plan.Call{Provider: "aws", Target: "i-1"}, nil)
				if got := s.count("StartSession"); got != c.calls {
					t.Errorf("%d calls, want %d", got, c.calls)
				}
				failed := len(c.steps) > 0 && c.calls == 1
				if (err != nil) != failed {
					t.Fatalf("error %v, want one: %v", err, failed)
				}
				if err == nil {
					return
				}
				if err.Ambiguous() != c.ambiguous || (c.code != "" && err.Code != c.code) {
					t.Errorf("got code %s, ambiguous %v (%v); want %s, %v", err.Code, err.Ambiguous(), err, c.code, c.ambiguous)
				}
			})
		})
	}
}

// broken is a network that fails at a given point of a request.
type broken struct {
	next  http.RoundTripper
	times int
	at    string // dial or write
}

func (b *broken) RoundTrip(req *http.Request) (*http.Response, error) {
	if b.times == 0 {
		return b.next.RoundTrip(req)
	}
	b.times--
	trace := traceOf(req)
	trace.GetConn(req.URL.Host)
	if b.at == "write" {
		trace.got()
		trace.wrote(errors.New("connection reset while writing"))
	}
	return nil, errors.New("network is down")
}

func TestStartTriesAgainWhatWasNotSent(t *testing.T) {
	for _, at := range []string{"dial", "write"} {
		for _, c := range []struct {
			times int
			ok    bool
		}{{1, true}, {sendTries - 1, true}, {sendTries, false}} {
			t.Run(fmt.Sprint(at, c.times), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &service{}
					f := inMemory(t, s, Options{})
					f.client.Transport = &broken{next: f.client.Transport, times: c.times, at: at}
					_, err := f.startSession(t.Context(), f.providers["aws"], plan.Call{Target: "i-1"}, nil)
					if (err == nil) != c.ok {
						t.Fatalf("got %v, want success: %v", err, c.ok)
					}
					if err != nil && (err.Ambiguous() || err.Code != CodeUnsent) {
						t.Errorf("code %s, ambiguous %v; want %s and certain", err.Code, err.Ambiguous(), CodeUnsent)
					}
				})
			})
		}
	}
}

// The answer is lost, and the session is there: it must not stay.
func TestAmbiguousStartIsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{sessions: []fakeSession{{"other-1", "i-1", "somebody else", "Connected"}}}
		s.start = func(n int, w http.ResponseWriter, r *http.Request) bool {
			time.AfterFunc(500*time.Millisecond, func() { // it shows only later
				s.mu.Lock()
				defer s.mu.Unlock()
				s.sessions = append(s.sessions, fakeSession{"me-9", "i-1", "why ssmrun/r1/j1", "Connected"})
			})
			panic(dropped{io.EOF})
		}
		f := inMemory(t, s, Options{})
		_, err := f.Start(t.Context(), plan.Call{Provider: "aws", Target: "i-1", Reason: "why ssmrun/r1/j1"}, Output{}, nil)
		startErr, ok := errors.AsType[*StartError](err)
		if !ok || !startErr.Ambiguous() {
			t.Fatalf("got %v, want an ambiguous StartError", err)
		}
		if len(startErr.Swept) != 1 || startErr.Swept[0] != "me-9" {
			t.Errorf("swept %v, want me-9", startErr.Swept)
		}
		if open := s.open(); len(open) != 1 || open[0] != "other-1" {
			t.Errorf("open sessions %v, want only the one of somebody else", open)
		}
		if s.count("StartSession") != 1 {
			t.Errorf("%d StartSession calls, want 1", s.count("StartSession"))
		}
	})
}

func TestCallCarriesWhatItSays(t *testing.T) {
	s := &service{}
	f := inMemory(t, s, Options{})
	p := f.providers["aws"]
	call := plan.Call{Target: "i-1", Document: "Doc", Parameters: map[string][]string{"command": {"ls"}}, Reason: "why"}
	if _, err := p.callStartSession(t.Context(), callInput(call)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.last); got != "map[DocumentName:Doc Parameters:map[command:[ls]] Reason:why Target:i-1]" {
		t.Errorf("sent %s", got)
	}
	if _, err := p.callStartSession(t.Context(), callInput(plan.Call{Target: "i-1"})); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.last); got != "map[Target:i-1]" {
		t.Errorf("sent %s, want the target alone", got)
	}
}

func TestCancelledStartStillWaitsForTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name      string
		answers   bool
		code      string
		ambiguous bool
		within    time.Duration
	}{
		{"answered", true, CodeCancelled, false, 2 * time.Second},
		{"never answered", false, CodeNoAnswer, true, answerGrace + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s := &service{}
				s.start = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					cancel()
					if !c.answers {
						<-r.Context().Done()
						panic(dropped{r.Context().Err()})
					}
					time.Sleep(time.Second)
					return false
				}
				f := inMemory(t, s, Options{})
				began := time.Now()
				_, err := f.Start(ctx, plan.Call{Provider: "aws", Target: "i-1", Reason: "ssmrun/r/j"}, Output{}, nil)
				startErr, ok := errors.AsType[*StartError](err)
				if !ok || startErr.Code != c.code || startErr.Ambiguous() != c.ambiguous {
					t.Errorf("got %+v, want code %s, ambiguous %v", err, c.code, c.ambiguous)
				}
				if open := s.open(); len(open) != 0 {
					t.Errorf("open: %v", open)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A call that was answered with a 5xx may have started a session, also when the
// request's body was closed before its writer saw the end of it.
func TestAnAnsweredCallWasSent(t *testing.T) {
	answered := &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err:      errors.New("internal error"),
	}
	w := wire{asked: true, got: true, refused: true}
	if got := w.fate(answered); got != fateUnknown {
		t.Errorf("fate %d, want %d", got, fateUnknown)
	}
	if got := w.fate(errors.New("broken pipe")); got != fateUnsent {
		t.Errorf("without an answer: fate %d, want %d", got, fateUnsent)
	}
}
