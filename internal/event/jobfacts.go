package event

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Job says which job a fact is about.
type Job struct {
	Address string `json:"addr" mask:"keep"`    // module.a.session.restart["eu"]["i-0ab"]
	Session string `json:"session" mask:"keep"` // restart["eu"]
	Target  string `json:"target" mask:"keep"`
	Name    string `json:"target_name,omitempty"`
}

// Step says which attempt of which step a fact is about. Its Address goes on
// from the job's: session.restart["i-0ab"].step.healthy.
type Step struct {
	Address string `json:"addr" mask:"keep"`
	Session string `json:"session" mask:"keep"`
	Target  string `json:"target" mask:"keep"`
	Name    string `json:"target_name,omitempty"`
	Step    string `json:"step" mask:"keep"`
	Attempt int    `json:"attempt"`
	// Index is the step's place in its job, from 1: the NN of its output
	// files. 0 means that the producer did not say.
	Index int `json:"index,omitempty"`
}

type (
	// WaveStart opens one wave of a rollout.
	WaveStart struct {
		Address string   `json:"addr" mask:"keep"` // of the session block
		Session string   `json:"session" mask:"keep"`
		Wave    int      `json:"wave"` // from 1
		Of      int      `json:"of"`
		Targets []string `json:"targets" mask:"keep"`
	}

	// WaveComplete closes a wave whose jobs have all ended.
	WaveComplete struct {
		Address  string                  `json:"addr" mask:"keep"`
		Session  string                  `json:"session" mask:"keep"`
		Wave     int                     `json:"wave"`
		Of       int                     `json:"of"`
		Outcomes map[outcome.Outcome]int `json:"outcomes"`
	}

	// WavePause says that a rollout rests before its next wave.
	WavePause struct {
		Address    string `json:"addr" mask:"keep"`
		Session    string `json:"session" mask:"keep"`
		Wave       int    `json:"wave"` // the next
		Of         int    `json:"of"`
		DurationMS int64  `json:"duration_ms"`
	}

	// WaveHalted says that a rollout used up its budget.
	WaveHalted struct {
		Address  string `json:"addr" mask:"keep"`
		Session  string `json:"session" mask:"keep"`
		Wave     int    `json:"wave"`
		Failures int    `json:"failures"`
		Budget   int    `json:"max_failures"`
		Reason   string `json:"reason"`
	}
)

func (WaveStart) Type() string  { return "wave_start" }
func (WaveStart) Level() string { return LevelInfo }
func (f WaveStart) Message() string {
	return fmt.Sprintf("%s: wave %d of %d started: %s", f.Address, f.Wave, f.Of, count(len(f.Targets), "target"))
}

func (WaveComplete) Type() string  { return "wave_complete" }
func (WaveComplete) Level() string { return LevelInfo }
func (f WaveComplete) Message() string {
	return fmt.Sprintf("%s: wave %d of %d complete: %s", f.Address, f.Wave, f.Of, tally(f.Outcomes))
}

func (WavePause) Type() string  { return "wave_pause" }
func (WavePause) Level() string { return LevelInfo }
func (f WavePause) Message() string {
	return fmt.Sprintf("%s: pausing %s before wave %d of %d", f.Address, time.Duration(f.DurationMS)*time.Millisecond, f.Wave, f.Of)
}

func (WaveHalted) Type() string  { return "wave_halted" }
func (WaveHalted) Level() string { return LevelError }
func (f WaveHalted) Message() string {
	return fmt.Sprintf("%s: halted in wave %d: %s", f.Address, f.Wave, f.Reason)
}

type (
	// SessionQueued: a job waits, for a place, the quota or another session.
	SessionQueued struct {
		Job
		Why         string `json:"why"`
		WaitSeconds int    `json:"wait_seconds,omitempty"` // expected, when known
	}

	// SessionStart is the intent: it is durable before StartSession is called.
	SessionStart struct {
		Job
		Attempt  int    `json:"attempt"`
		Kind     string `json:"kind" mask:"keep"`
		Document string `json:"document,omitempty" mask:"keep"`
		Reason   string `json:"reason,omitempty"`
	}

	// SessionReady: the channel is open and can take steps.
	SessionReady struct {
		Job
		SessionID    string `json:"session_id" mask:"keep"`
		AgentVersion string `json:"agent_version,omitempty"`
		Shell        string `json:"shell,omitempty"`
		LocalPort    int    `json:"local_port,omitempty"` // of a tunnel, on this machine
		Server       string `json:"server,omitempty"`     // that runs the steps: perl, python3, sh or static
		NoHelper     string `json:"no_helper,omitempty"`  // why the helper that the session asks for is not used
		DurationMS   int64  `json:"duration_ms"`
	}

	// SessionReconnect: the channel was lost and is being resumed.
	SessionReconnect struct {
		Job
		SessionID string `json:"session_id" mask:"keep"`
		Attempt   int    `json:"attempt"`
		Cause     string `json:"cause"`
	}

	// SessionComplete: the session has ended, as far as this side knows.
	SessionComplete struct {
		Job
		SessionID  string `json:"session_id" mask:"keep"`
		Terminated bool   `json:"terminated"` // TerminateSession answered
		Error      string `json:"error,omitempty"`
	}

	// JobComplete is the verdict on a job: the worst of its steps'.
	JobComplete struct {
		Job
		Outcome    outcome.Outcome `json:"outcome"`
		FailedStep string          `json:"failed_step,omitempty" mask:"keep"`
		Why        string          `json:"why,omitempty"`
		DurationMS int64           `json:"duration_ms"`
	}
)

func (SessionQueued) Type() string  { return "session_queued" }
func (SessionQueued) Level() string { return LevelInfo }
func (f SessionQueued) Message() string {
	if f.WaitSeconds > 0 {
		return fmt.Sprintf("%s: waiting about %d s: %s", f.Address, f.WaitSeconds, f.Why)
	}
	return fmt.Sprintf("%s: waiting: %s", f.Address, f.Why)
}

func (SessionStart) Type() string  { return "session_start" }
func (SessionStart) Level() string { return LevelInfo }
func (f SessionStart) Message() string {
	return fmt.Sprintf("%s: starting a %s session", f.Address, f.Kind)
}

func (SessionReady) Type() string { return "session_ready" }
func (f SessionReady) Level() string {
	if f.NoHelper != "" {
		return LevelWarn
	}
	return LevelInfo
}
func (f SessionReady) Message() string {
	if f.NoHelper != "" {
		return fmt.Sprintf("%s: session %s ready after %d ms, without the helper: %s", f.Address, f.SessionID, f.DurationMS, f.NoHelper)
	}
	if f.LocalPort > 0 {
		return fmt.Sprintf("%s: session %s ready after %d ms, local port %d", f.Address, f.SessionID, f.DurationMS, f.LocalPort)
	}
	return fmt.Sprintf("%s: session %s ready after %d ms", f.Address, f.SessionID, f.DurationMS)
}

func (SessionReconnect) Type() string  { return "session_reconnect" }
func (SessionReconnect) Level() string { return LevelWarn }
func (f SessionReconnect) Message() string {
	return fmt.Sprintf("%s: reconnecting, attempt %d: %s", f.Address, f.Attempt, f.Cause)
}

func (SessionComplete) Type() string { return "session_complete" }
func (f SessionComplete) Level() string {
	if f.Error != "" {
		return LevelWarn
	}
	return LevelInfo
}
func (f SessionComplete) Message() string {
	if f.Error != "" {
		return fmt.Sprintf("%s: session ended: %s", f.Address, f.Error)
	}
	return f.Address + ": session ended"
}

func (JobComplete) Type() string      { return "job_complete" }
func (f JobComplete) Level() string   { return level(f.Outcome) }
func (f JobComplete) Message() string { return because(f.Address, f.Outcome, f.Why) }

type (
	// StepStart is the intent: it is durable before the command leaves.
	StepStart struct {
		Step
		Command    string `json:"command,omitempty"` // masked, as the plan shows it
		Idempotent bool   `json:"idempotent,omitempty"`
	}

	// StepOutput says that bytes were added to an output file. They are in the
	// file when the fact is emitted. The log merges neighbours, so a Length
	// says nothing about messages.
	StepOutput struct {
		Step
		Stream string `json:"stream" mask:"keep"` // stdout or stderr
		Offset int64  `json:"offset"`             // in the file, masked bytes
		Length int64  `json:"length"`
	}

	// StepProgress says how much of a transfer has arrived. It comes every few
	// seconds.
	StepProgress struct {
		Step
		Done  int64 `json:"done"`            // bytes
		Total int64 `json:"total,omitempty"` // absent when it is not known
	}

	// StepExpect is the verdict on one expectation.
	StepExpect struct {
		Step
		Expectation string `json:"expectation" mask:"keep"` // such as `exit_code` or `stdout contains`
		Expected    string `json:"expected"`
		Got         string `json:"got"`
		Passed      bool   `json:"passed"`
		Text        string `json:"text,omitempty"` // an assert's error_message
		Range       *Range `json:"range,omitempty"`
		Snippet     string `json:"snippet,omitempty"` // the source line
	}

	// StepCapture is a value taken from a result; Value is absent when it is
	// sensitive.
	StepCapture struct {
		Step
		Name      string          `json:"name" mask:"keep"` // of the capture
		Value     json.RawMessage `json:"value,omitempty"`
		Kind      json.RawMessage `json:"value_type,omitempty"`
		Sensitive bool            `json:"sensitive,omitempty"`
		// Masked: the redactor changed Value, so it is not what was captured.
		// The log sets it.
		Masked bool `json:"masked,omitempty"`
	}

	// StepComplete is durable before the next step begins.
	StepComplete struct {
		Step
		Outcome     outcome.Outcome `json:"outcome"`
		ExitCode    *int            `json:"exit_code"` // null when there was none
		Signal      string          `json:"signal,omitempty" mask:"keep"`
		StdoutBytes int64           `json:"stdout_bytes"` // what the command wrote
		StderrBytes int64           `json:"stderr_bytes"`
		StdoutKept  int64           `json:"stdout_kept"` // what is in the file
		StderrKept  int64           `json:"stderr_kept"`
		// The SHA-256 of the files, in hex: of masked bytes, and so also of
		// what the command wrote unless it was masked or cut.
		StdoutSHA256 string `json:"stdout_sha256,omitempty" mask:"keep"`
		StderrSHA256 string `json:"stderr_sha256,omitempty" mask:"keep"`
		StdoutMasked bool   `json:"stdout_masked,omitempty"`
		StderrMasked bool   `json:"stderr_masked,omitempty"`
		StdoutCut    bool   `json:"stdout_cut,omitempty"` // max_output was reached
		StderrCut    bool   `json:"stderr_cut,omitempty"`
		DurationMS   int64  `json:"duration_ms"`
		Verified     bool   `json:"verified"`
		Final        bool   `json:"final"` // no further attempt follows
		Why          string `json:"why,omitempty"`
		// Note is what is known besides: of an attempt that did not pass what its
		// tunnel says, of a reboot the boot ids.
		Note string `json:"note,omitempty"`
		// Range is the step in the runbook, if it did not pass.
		Range *Range `json:"range,omitempty"`
	}
)

func (StepStart) Type() string      { return "step_start" }
func (StepStart) Level() string     { return LevelInfo }
func (f StepStart) Message() string { return f.Address + ": started" }

func (StepProgress) Type() string  { return "step_progress" }
func (StepProgress) Level() string { return LevelInfo }
func (f StepProgress) Message() string {
	if f.Total == 0 {
		return fmt.Sprintf("%s: %d bytes", f.Address, f.Done)
	}
	return fmt.Sprintf("%s: %d of %d bytes", f.Address, f.Done, f.Total)
}

func (StepOutput) Type() string  { return "step_output" }
func (StepOutput) Level() string { return LevelInfo }
func (f StepOutput) Message() string {
	return fmt.Sprintf("%s: %d bytes on %s", f.Address, f.Length, f.Stream)
}

func (StepExpect) Type() string { return "step_expect" }
func (f StepExpect) Level() string {
	if !f.Passed {
		return LevelError
	}
	return LevelInfo
}
func (f StepExpect) Message() string {
	if f.Passed {
		return fmt.Sprintf("%s: %s holds", f.Address, f.Expectation)
	}
	if f.Text != "" {
		return fmt.Sprintf("%s: %s: %s", f.Address, f.Expectation, f.Text)
	}
	return fmt.Sprintf("%s: %s: expected %s, got %s", f.Address, f.Expectation, f.Expected, f.Got)
}

func (StepCapture) Type() string      { return "step_capture" }
func (StepCapture) Level() string     { return LevelInfo }
func (f StepCapture) Message() string { return fmt.Sprintf("%s: captured %s", f.Address, f.Name) }

func (StepComplete) Type() string { return "step_complete" }
func (f StepComplete) Level() string {
	if l := level(f.Outcome); f.Final || l == LevelInfo {
		return l
	}
	return LevelWarn
}
func (f StepComplete) Message() string { return because(f.Address, f.Outcome, f.Why) }

// level is how loudly an outcome is said.
func level(o outcome.Outcome) string {
	switch o {
	case outcome.Passed, outcome.Skipped:
		return LevelInfo
	case outcome.Cancelled, outcome.NotStarted:
		return LevelWarn
	}
	return LevelError
}
