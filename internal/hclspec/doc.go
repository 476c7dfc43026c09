// Package hclspec turns HCL files into a typed runbook: it parses, checks the
// shape, and reports every mistake it finds, all at once, as diagnostics with
// file, range and what to do. It also reads the values of variables, lab files,
// and has the functions that expressions may call.
//
// # Words
//
// A runbook is a directory of *.ssm.hcl and *.ssm.json files. A name is what an
// expression refers to, such as var.x or self.stdout; where each name may be
// used is a table in names.go and is checked here, before anything is
// evaluated. An Expression is unevaluated: package plan evaluates it, with
// Functions and a Scope of its own making.
//
// # Rules
//
//   - A mistake of the author's is a Diagnostic, never a Go error and never a
//     panic. One mistake gives one diagnostic.
//   - Hostile input is refused before it reaches a recursive parser: size,
//     encoding and depth of a file are checked on its tokens. Evaluation is
//     bounded too: Expressions count iterations, bytes and digits.
//   - The value of a sensitive variable is marked (Sensitive, Ephemeral), keeps
//     the mark through every function, and is never printed by
//     WriteDiagnostics.
//   - A relative path in a runbook, in a file function or a script, is relative
//     to the runbook's directory, so path.module and path.root are ".".
//
// # What it does not do
//
// It does not resolve targets, evaluate sessions, or know what a run is. Blocks
// and attributes of later versions are refused by name ("not supported in this
// version"), never ignored.
package hclspec
