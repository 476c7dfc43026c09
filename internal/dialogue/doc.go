// Package dialogue answers the prompts of a program that was started in a
// terminal: bytes of its output go in, and the answers that are due come out. It
// knows no session, no clock and no expression language.
//
// # Words
//
// A prompt is a pattern that is waited for, and may be required or not. The text
// is what the output says without what only moves the cursor or paints: see
// plainText. A question is a prompt that was found; the text behind it is fresh
// again, so that nothing is found twice.
//
// # Rules
//
// What is found does not depend on how the output was cut into messages. A
// prompt counts as asked at the first character of the output with which its
// pattern is found in the fresh text, as if the pattern was tried after each
// one; so `Password: $` is found although something follows in the same message,
// and `Password` before the colon has come. Of prompts that are found with the
// same character the first one counts.
//
// In turn, prompts are waited for as they are written: the next one, and with it
// those before it that may be left out or come again. In any order, all are
// waited for at once.
//
// Memory is bounded: the fresh text is no longer than twice windowBytes, of which
// the older half is forgotten when it is full.
package dialogue
