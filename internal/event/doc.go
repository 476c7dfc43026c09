// Package event is the stream of typed facts about a run, the log that orders
// and keeps them, and the redactor that everything passes before it leaves the
// process.
//
// A fact is a struct, such as StepComplete; a record is a fact with a number, a
// time and a run id. The log numbers records, hands them to one durable sink,
// and then to the watchers that views read. Views, the journal and reports are
// folds over the same records, so what was shown live can be shown again.
//
// The rules:
//
//   - A fact is masked before it is numbered. Masking covers every string of a
//     fact but those that name things (addresses, ids, labels, outcomes, marked
//     `mask:"keep"`): the language refuses sensitive values there, and a record
//     whose address was altered could not be folded.
//   - Commit returns when the sink has the facts. Everybody who waits at the
//     same time shares one Append. Emit is ordered with it and waits for
//     nothing but room.
//   - Watchers see a record after the sink has accepted it; once the sink has
//     failed they still see records, so that an operator learns what became of
//     the work under way, and Unwritten has those records.
//   - step_output says only that a file grew, so neighbours are merged wherever
//     they wait. Nothing else is ever merged or dropped.
//
// The package writes no files, renders nothing and knows no output bytes: those
// go through MaskWriter to whoever keeps them.
package event
