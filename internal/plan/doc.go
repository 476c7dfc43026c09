// Package plan is the evaluator: a runbook, its values and its targets make a
// Plan, and the plan answers at run time what a step sends, what its result
// means and what the run as a whole has shown.
//
// # Words
//
// An Evaluator holds a runbook and its values. A Selection is what has to be
// found; Found is the answer. A Plan has sessions, each with its declared
// steps and one job for each target. Facts are what a run knows so far; Work
// is one attempt at a step, rendered; a Result is what came back; a Verdict is
// what that means.
//
// # Rules
//
// Everything here is pure: no clock, no network, and no file is read after the
// plan was made. The same inputs give the same plan, byte for byte.
//
// Sensitivity rides on values as marks. What a secret touches is a secret, and
// leaves this package in three forms only: in Work (the bytes that a target
// needs), in Conceal (so that the redactor knows it first), and never in a
// preview, a plan document or a diagnostic.
//
// What must be known at plan is an error when it is not. Everything else that
// depends on a run evaluates to an unknown at plan, so that mistakes of type
// are found before anything runs.
//
// # What it does not do
//
// It does not talk to AWS (fleet does), start or time anything (exec does),
// nor parse HCL (hclspec does).
package plan
