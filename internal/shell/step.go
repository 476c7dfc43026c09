package shell

import (
	"time"
)

// EnvVar is one variable of a step's environment.
type EnvVar struct{ Name, Value string }

// Step is one command to run on the target.
type Step struct {
	Script []byte   // what the shell runs, byte for byte; a NUL byte is refused
	Shell  string   // program and options, such as "bash -e"; "sh" when empty
	Args   []string // the script's arguments, $1 and on
	Env    []EnvVar // for this step alone; later ones win
	Dir    string   // working directory of this step alone; "" is the one carried
	User   string   // run as this user, by sudo -n where there is one; "" is the session's
	Stdin  []byte   // nil is /dev/null
	// Terminal gives the step a terminal of its own, which is its standard
	// input, output and error. What it writes comes as stdout, as it wrote it.
	Terminal bool
	// Input is typed while the step runs: into its terminal, or without one
	// into a pipe that is its stdin, which ends when the channel is closed.
	// The step may end before all is taken: do not wait for that.
	Input <-chan []byte

	before []byte        // what is typed before Input, for a step of another user
	Grace  time.Duration // between INT, TERM and KILL when cancelled; 5 s when 0
}

// Stream is what is known of one output stream of a step.
type Stream struct {
	Bytes    int64  // that reached the writer
	Sum      uint32 // CRC-32 (IEEE) of them
	Verified bool   // count and checksums made on the target agree: nothing is missing or changed
	Defect   error  // when it is not verified: the first thing that was wrong
}

// Result is how a step ended. It is only given when the end was seen.
type Result struct {
	ExitCode   int    // as a shell has it: 128 + signal for a death by signal
	Signal     string // such as "KILL", when the target's tools can tell a signal from exit 137; else ""
	Stdout     Stream
	Stderr     Stream
	StateSaved bool          // directory and exported variables carry to the next step
	Duration   time.Duration // of the step, on the target's clock where it has one
	Cancelled  bool          // it was told to stop before it ended
	Escaped    bool          // it was cancelled, and something of it is still running
	Held       bool          // a process that it left behind still holds its output; what that writes is dropped
}

// Verified reports whether both streams are known to be complete and exact.
func (r Result) Verified() bool { return r.Stdout.Verified && r.Stderr.Verified }
