// Package bounds holds a decoder to what it may cost, in fuzz targets: Check
// runs it and fails the test when it allocates more than was allowed, takes more
// than a second of processor time, or never comes back. Only tests import it.
//
// Allocation is counted to the byte, of all that the process does meanwhile, so
// a target calls Check from one goroutine and lets nothing else run; a fuzzing
// worker is a process of its own. What is over the limit is measured again, for
// the runtime allocates now and then: only what is over it each time counts.
//
// Time is that of the processor, because a machine with much else to do makes
// anything slow; only what waits for ever is caught by the clock on the wall,
// and that ends the process with all stacks, which is how a fuzzer learns of it.
package bounds
