// Package quote makes words that another program's parser reads back as they
// were: a POSIX shell (Sh, ShAll), PowerShell (PowerShell), and the splitter
// that the agent uses for NonInteractiveCommands (Shlex).
//
// Quoting is exact or refused: a string that the other side cannot carry, one
// with a NUL byte, is an error and never a changed string. Nothing here knows
// what the words mean; options that begin with a dash stay options.
package quote
