package fleet

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadsWaitOutThrottlingAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		code  string
		fails int
		ok    bool
		calls int
	}{
		{"ThrottlingException", 8, true, 9},
		{"ThrottlingException", 1000, false, patience},
		{"InternalServerError", 2, true, 3},
		{"InternalServerError", 1000, false, otherTries},
		{"AccessDeniedException", 1000, false, 1},
	} {
		t.Run(c.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, calls := smallFleet(), 0
				f := inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if calls++; calls <= c.fails {
						status := 400
						if c.code == "InternalServerError" {
							status = 500
						}
						fail(w, status, c.code, "no")
						return
					}
					s.ServeHTTP(w, r)
				}), Options{})
				start := time.Now()
				if err := f.Terminate(t.Context(), "aws", "me-1"); (err == nil) != c.ok {
					t.Errorf("got %v, want success: %v", err, c.ok)
				}
				if calls != c.calls || time.Since(start) > 2*time.Minute {
					t.Errorf("%d calls in %v, want %d", calls, time.Since(start), c.calls)
				}
			})
		})
	}
}
