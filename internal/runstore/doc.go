// Package runstore keeps runs on disk.
//
//	.ssmrun/runs/20260102T150405-k3f7qa/
//	    journal                             every record of the run
//	    plan.json                           the plan that was run
//	    lock                                held by the process that writes
//	    output/restart/i-0ab/02-healthy.stdout
//	    output/restart/i-0ab/02-healthy.stderr
//	    output/restart/i-0ab/02-healthy.attempt1.stdout
//
// Directories are 0700 and files 0600, whatever the umask. The runs directory
// must not be writable by others.
//
// The journal begins with a line that names its format and the run. Each
// further line is one record:
//
//	CRC OPENING.BATCH.LEFT CHAIN JSON
//
// CRC is the CRC-32C of the rest of the line, in hex. CHAIN is the SHA-256 of
// the chain value before it (of the first line, to begin with) followed by
// JSON, in hex: a record that was changed, taken out, put in or moved breaks
// it. OPENING counts how often the journal was opened for writing, BATCH the
// calls of Append since then, both from 1, and LEFT the lines of the batch that
// follow. A batch is written at once and synced before the next begins, so
// damage that only the last batch can account for is a write that a crash tore:
// it is left out on reading, and cut off when the run goes on. Any other damage
// is an error that names the offset. Somebody who may write the journal can
// still cut whole records off its end; comparing Head with one that was noted
// elsewhere shows it.
//
// Output files are plain bytes, masked before they get here. The two files of
// an attempt exist from its first byte, at the latest from its end. A step's
// last attempt has the plain names; when the next attempt begins, the files of
// the one before it get its number. Parts of paths are percent-encoded outside
// letters, digits and _-.,+@=, and cut with a hash when they are too long for a
// file name. Output files are not synced: they survive the death of the
// process, and after that of the machine their digests in the journal tell.
//
// The package renders nothing and masks nothing, and deletes only what a torn
// write left behind.
package runstore
