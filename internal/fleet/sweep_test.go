package fleet

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestSweepTerminatesTheRunsSessionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{sessions: []fakeSession{
			{"me-2", "i-1", "CHG: restart ssmrun/run-1/session.a", "Connected"},
			{"me-1", "i-2", "ssmrun/run-1/session.b", "Connecting"},
			{"me-3", "i-1", "CHG: restart ssmrun/run-10/session.a", "Connected"},
			{"me-4", "i-1", "xssmrun/run-1/session.a", "Connected"},
			{"me-5", "i-1", "ssmrun/run-1/session.c", "Terminated"},
			{"me-6", "i-1", "", "Connected"},
		}}
		f := inMemory(t, s, Options{})
		swept, err := f.Sweep(t.Context(), "run-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"me-1", "me-2"}, swept); diff != "" {
			t.Errorf("swept (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"me-3", "me-4", "me-6"}, s.open()); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if swept, err := f.Sweep(t.Context(), "run-1"); err != nil || len(swept) != 0 {
			t.Errorf("again: %v, %v", swept, err)
		}
	})
}

func TestTerminateTwiceIsNoError(t *testing.T) {
	s := &service{sessions: []fakeSession{{"me-1", "i-1", "", "Connected"}}}
	f := inMemory(t, s, Options{})
	for range 2 {
		if err := f.Terminate(t.Context(), "aws", "me-1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.open()) != 0 {
		t.Errorf("open: %v", s.open())
	}
}
