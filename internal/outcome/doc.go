// Package outcome is the verdict on a step, a job or a run, and the exit code
// that a process owes its caller for a set of verdicts.
//
// The order is the whole design: verdicts merge by taking the worse one, and
// what is not known to have passed has not passed.
package outcome
