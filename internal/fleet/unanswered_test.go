package fleet

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// A service that takes every call and answers none.
func mute(t *testing.T, calls *int) *Fleet {
	t.Helper()
	over := make(chan struct{})
	seen := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen <- struct{}{}; <-over }))
	t.Cleanup(func() {
		*calls = len(seen)
		close(over)
		server.Close()
	})
	f := New(Options{Isolated: true, Region: "eu-west-1", EndpointURL: server.URL, ReadTimeout: 50 * time.Millisecond,
		Static: &Credentials{AccessKeyID: "AKIALAB", SecretAccessKey: NewSecret("s")}})
	t.Cleanup(f.Close)
	open(t, f, plan.Provider{Key: "aws"})
	return f
}

func TestACallThatIsNotAnsweredIsMadeTwiceAndStartSessionOnce(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(t *testing.T, f *Fleet) error
		calls int
		says  []string
	}{
		"find": {func(t *testing.T, f *Fleet) error {
			_, err := f.Find(t.Context(), []plan.Selection{{Address: "targets.all", Provider: "aws", Names: []string{"*"}}})
			return err
		}, 2, []string{"DescribeInstanceInformation", "; tried 2 times: "}},
		"terminate": {func(t *testing.T, f *Fleet) error { return f.Terminate(t.Context(), "aws", "s-1") },
			2, []string{"TerminateSession", "; tried 2 times: "}},
		"start": {func(t *testing.T, f *Fleet) error {
			_, err := f.Start(t.Context(), plan.Call{Provider: "aws", Target: "i-1"}, Output{}, nil)
			return err
		}, 1, []string{"StartSession"}},
	} {
		t.Run(name, func(t *testing.T) {
			var calls int
			t.Run("call", func(t *testing.T) {
				err := c.call(t, mute(t, &calls))
				if err == nil {
					t.Fatal("it did not fail")
				}
				for _, want := range append(c.says, "timed out after ", "(127.0.0.1:", "-cli-read-timeout") {
					if strings.Count(err.Error(), want) != 1 {
						t.Errorf("got %q, want %q in it once", err, want)
					}
				}
				if strings.Contains(err.Error(), "Post ") || strings.Contains(err.Error(), "net/http") {
					t.Errorf("got %q, which says it twice", err)
				}
			})
			if calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
		})
	}
}
