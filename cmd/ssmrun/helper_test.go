package main

import (
	"testing"

	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// The plan says what the helper weighs, and may not import what sends it.
func TestThePlanKnowsTheHelpersSize(t *testing.T) {
	if size := shell.StaticSize(); size > plan.HelperBytes || size < plan.HelperBytes*9/10 {
		t.Errorf("the helper is %d bytes, and the plan says %d", size, plan.HelperBytes)
	}
}
