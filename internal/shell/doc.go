// Package shell runs many commands over one remote POSIX shell session, each
// with its exact output, exit code and environment; and one command over a
// command-kind session, as exactly. It knows nothing of how the session's
// bytes travel: Client is given the session's input, and is fed its output.
//
// # Words
//
// A step is one command. The loader is the small sh program that the first
// typed line starts. A step server is the program behind it that runs steps:
// server.pl, server.py or, where the target has neither perl nor python3,
// frame.sh and server.sh, which need nothing but dd and base64, openssl or od; or
// stepserver, a static binary, where UseStatic has sent it. All four speak the
// same wire. The nonce is 128 random bits by which the server's
// lines are told from all else; it is typed through the terminal with the echo
// off and is never in an argument list or an environment. A stray line is one
// without it: banners, prompts, echo. Stray lines are kept for Screen, never
// parsed.
//
// # What a session does to bytes
//
// The agent's output path is not 8-bit clean (it cuts U+FFFD to one byte and
// holds back up to three bytes of an unfinished character, lost at the end),
// and carries less than 1 MB/s. A terminal echoes, adds carriage returns, cuts
// lines of over 4,095 bytes and holds about 20 KB of unread input, beyond
// which the agent stops altogether. So everything is printable ASCII, typed in
// lines of at most 900 characters; output is compressed when that pays, and
// where the session has shown that it passes bytes, sent in an encoding that is
// denser than base64 (raw.go); and a
// large script or input is typed only so far ahead as the server has
// acknowledged. Every line of output is one write: a terminal does not mix
// those of two processes.
//
// # Boot
//
// Stage 0 is one line, ` /bin/sh -c '…'`, typed into an unknown shell. The loader
// sets the terminal, says what the target has,
//
//	@BOOT r TOOL… shell=NAME
//
// and then evaluates lines that begin with "#L"; "#R" has it answer again, "#Q"
// ends it. BOOT is cut by quotes in the typed line, so that its echo is not an
// answer. Stage 1 is an "#L" line that starts a server, the server's text in
// lines that begin with "#:" up to "#E", and "#N NONCE DIR". When a server has
// ended, however it did, the loader says
//
//	@BOOT x START CODE
//
// so that a killed server is noticed at once, its step is lost, and the next
// step starts another in the same session. When stage 0 is not answered within
// 5 s it is typed again after an interrupt. Every line that is typed is inert
// if the session's own shell should read it.
//
// UseStatic has the loader receive a binary in place of a text: sed takes the
// lines up to "#E" from the terminal, base64 and gzip make the file of them, in a
// new directory of a file system that executes, and sha256sum checks it where the
// target has it (gzip's own CRC-32 always does). The binary removes itself and the
// directory as its first act, and the loader does when it did not come to that.
//
// # Lines to the server
//
// Each begins with "#NONCE ".
//
//	P W|S|I                  a text follows: prologue, script, input
//	D DATA                   a part of it; base64, or for the sh server the
//	                         escapes of printf %b
//	E W|S|I LENGTH CRC       its end: bytes and CRC-32 in hexadecimal, or for
//	                         the sh server the characters typed
//	L t ROWS COLUMNS         the next step has a terminal of its own
//	L p                      the next step's stdin is a pipe that I fills
//	X N [MARK…] WORD…        run them as step N with this shell
//	I N DATA                 input of step N while it runs, as D; without DATA
//	                         it ends, in a pipe
//	K N SIGNAL               signal the step's process group
//	s N                      send the output of step N while it runs, sh server
//	8                        frames may be raw: every byte has passed
//	p N                      ping
//	Q                        end
//
// # Lines from the server
//
// Each begins with "@NONCE ".
//
//	8 DATA                             every byte, raw, before R
//	R KEY=VALUE…                       ready
//	A LINES                            that many data lines have been read
//	B N PID                            step N has begun
//	I N LINES                          it has got that many lines of input
//	F N TEXT                           it was not started
//	o|e N DATA                         a part of a frame of stdout or stderr
//	O|E N SEQ ENC LENGTH SUM DATA      the end of a frame
//	T N O|E FRAMES LENGTH SUM          a stream's totals
//	Y N CODE                           exit code, from the sh server
//	X N CODE SIGNAL STATE USEC CANCELLED ESCAPED HELD
//	                                   the step's end
//	p N                                answer to a ping
//
// ENC is b for base64, z for compressed base64 (zlib or gzip), q for raw bytes
// with escapes, y for compressed q, h for od -tx1, d for od -tu1. SUM is r and
// the CRC-32 of the decoded bytes, or f and their 32-bit FNV-1a, or t and the
// cksum of the text (its lines joined by newlines, and one at the end), or -
// where the target has no cksum; that stream is never verified. LENGTH counts
// what SUM is of. The totals' SUM is, over all frames, sum = sum*3 + frame's sum,
// modulo 2^32. A stream is verified when every frame came in its place with its
// length and checksum and the totals agree.
//
// # A step
//
// It runs in its own session and process group, without a terminal, with pipes
// for stdout and stderr and /dev/null or its input as stdin. Its shell reads a
// prologue from descriptor 9 and the script from descriptor 8, so that neither,
// nor the step's variables and arguments, are in an argument list or a file.
// The prologue's EXIT trap saves the directory and the exported variables: the
// perl, python and static servers take them from /proc/self/environ over descriptor 57,
// the sh server keeps a file in a private directory. exec, a signal or an EXIT
// trap of the script's own leave them as they were, and the result says so.
// What Step.Env and Step.Dir set is undone unless the script changed it. Shell
// options, functions and umask do not carry.
//
// What a step has written when its first process ends is its output. A process
// that it leaves behind keeps running and delays nothing; what that writes to
// the step's streams is dropped. The perl, python and static servers drain the
// pipes, which hold no more than 64 KiB; the sh server writes a random mark into both
// after the end, and the client cuts there.
//
// The sh server takes the output of a short step when it has ended, with one od
// a stream, which the mark and blanks behind it let read a fixed count without
// waiting. Its pipes are here-documents opened again for writing, so that no
// process makes or removes them and none is shared with an earlier step. A step
// that takes longer than 250 ms gets framers, dd and base64 for every 64 KiB:
// the client asks for them, because sh has no clock. Where the shell makes no
// such pipes (ksh93, mksh, zsh), or od is missing or reads ahead, every step
// runs between framers.
//
// A step is cancelled by INT, TERM and KILL to its process group; when its
// first process has ended, what is left of the group is killed. A process that
// made its own session escapes that, and Escaped says so when it can be seen.
// When the session's terminal goes away the server ends its step.
//
// # A terminal of its own
//
// A step may have a pty as its controlling terminal, of 50 rows and 240 columns,
// wide so that echoed answers are broken up less. Its output is not processed
// (stty -opost), so that a newline that the step writes comes as that; input is:
// it is echoed, and a carriage return is Enter, as programs expect. The perl and
// python servers make the pty themselves, the sh server by script, of
// util-linux; a target where that cannot be done refuses the step before it
// starts. Input is typed into it, or without a terminal into a pipe, while the
// step runs, never more than a window of lines ahead of what the step has taken;
// it is in no argument list, so the sh server refuses it where printf is not
// built in. INT, TERM and KILL go to the terminal's foreground group as well.
// Where they are not permitted, to another user's sudo, INT is typed as ^C, and
// for the others the terminal is hung up. When the step's first process ends the
// kernel hangs up on what is left in the foreground.
//
// # Servers compared
//
// Signal, the duration on the target's clock, Held, and Escaped for processes
// that left the group are not known to the sh server (but ksh93 and yash tell it
// the signal). The static server alone is the reaper of what its steps leave: it
// sees also an escape that has closed its streams, and who is left behind has it
// as parent, where otherwise that is init. The sh server adds a newline at the end
// of a script, has only the first process signalled where there is no setsid,
// and without awk carries state only from a sh that lists its exports in quotes
// that any shell reads (dash, busybox ash). On Debian's dash a small step costs
// the target 2 processes with perl, python3 or the binary, 4 with sh: the step's shell, a
// reader of the terminal and two od. TestMeasure has the figures.
//
// # A transfer
//
// Upload and Download are series of such steps, whose script is transfer.sh. An
// upload sends pieces, compressed when that pays, as the input of steps that
// append them to a file in a private directory beside the destination, named by
// the content's digest; the last step checks the whole with what the target has
// (sha256sum, shasum, openssl, python3, perl, cksum), sets mode and owner, and
// renames. In another session the same upload goes on behind what is there, if
// the target's digest of it is that of the content's beginning. A download is a
// step whose output is the file. A directory travels as a tar archive.
//
// # A command-kind session
//
// WrapCommand puts the script, the prologue and frame.sh into one command line
// whose output is the same frames; there is no input, no carried state, and the
// nonce is visible in the process list, so it defends against output that looks
// like frames only because all output is framed. When a stream has filled a frame,
// bulk.pl or bulk.py frames the rest of it where the target has perl or python3:
// they start slower than sh and run faster.
//
// # What it does not do
//
// It defends against hostile output, not against a hostile process of the same
// user, which can write to the terminal's device. The order of stdout relative
// to stderr is not kept, but on a step's terminal, where they are one.
// /bin/sh on the target may be dash, bash, busybox ash, ksh93, mksh or zsh's sh
// emulation; with yash, which cannot hold invalid UTF-8, the sh server refuses
// to start.
package shell
