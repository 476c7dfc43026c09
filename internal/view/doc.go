// Package view makes plans, runs and their records readable: a line a fact
// while a run goes on, JSON, a plan before it, a summary after it, and the same
// again from the journal of an old run.
//
// A view is a fold over records and prints what the record at hand is worth;
// what it needs to remember it keeps itself. The summary, the folded outputs and
// `show` are made by the same code live and from a journal.
//
// The rules of everything that is printed here:
//
//   - Text that came from outside (names, output, error texts) is sanitised: no
//     byte of it can move the cursor, change colours or reorder text, and it
//     begins no line: only a fold's stdout stands as it came, line by line,
//     so that it can be copied. Control characters are shown escaped.
//   - Colour is used when asked for and carries nothing that the words do not
//     say.
//   - What is said about one target is prefixed by its name, or its id when it
//     has none. What is said about many equal ones is said once, with a list.
//   - Steps that pass show no output unless Verbose is set; a step that fails
//     shows what was expected, what came, where that is written, and the end of
//     what the command said.
//
// The package runs nothing, decides nothing and keeps nothing.
package view
