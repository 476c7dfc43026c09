package shell

import "fmt"

// BootError says that the step server did not start: no step was sent.
type BootError struct {
	Screen string // what the session showed last, for people, without the echo of what was typed
	Err    error
}

func (e *BootError) Error() string { return fmt.Sprintf("start step server: %v", e.Err) }
func (e *BootError) Unwrap() error { return e.Err }

// RefusedError says that a step was not started, and why. Nothing of it ran.
type RefusedError struct {
	Err error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("step was not started: %v", e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// LostError says that a step's end was not seen: it may have run, in part or
// whole, and may still be running. Its outcome is unknown.
type LostError struct {
	Began  bool   // the target said that it began
	Screen string // what the session showed last, for people
	Err    error
}

func (e *LostError) Error() string { return fmt.Sprintf("end of step was not seen: %v", e.Err) }
func (e *LostError) Unwrap() error { return e.Err }
