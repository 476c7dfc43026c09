package event

import (
	"encoding/json"
	"time"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Version is the version of the event stream: a minor version adds types and
// fields, a major one may break.
const Version = "1.0"

// Record is one event of a run, numbered and dated. Its JSON form is one line
// of `-json` output and one entry of the journal: the fields of the envelope
// (@level @message @module @timestamp type run_id seq) and those of the fact,
// side by side.
type Record struct {
	Seq   uint64 // from 1, without gaps within a run
	Time  time.Time
	RunID string
	Fact  Fact
}

// Fact is one of the structs of facts.go. A new fact is a new struct.
type Fact interface {
	Type() string    // the `type` field, such as "step_complete"
	Level() string   // "info", "warn" or "error"
	Message() string // one line for people
}

// Severity of a diagnostic.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

type (
	// VersionFact is the first line of every stream.
	VersionFact struct {
		SSMRun string `json:"ssmrun"`
		UI     string `json:"ui"`
	}

	// LogFact is a line for people that is no fact about the run.
	LogFact struct {
		Severity string `json:"-"` // info, warn, error; goes to @level
		Text     string `json:"-"` // goes to @message
	}

	// Diagnostic is a mistake of the user's, or a warning.
	Diagnostic struct {
		Severity string `json:"severity"`
		Summary  string `json:"summary"`
		Detail   string `json:"detail,omitempty"`
		Address  string `json:"address,omitempty"`
		Range    *Range `json:"range,omitempty"`
		Snippet  string `json:"snippet,omitempty"`
	}

	// Range is a place in a runbook. Lines and columns count from 1.
	Range struct {
		Filename string `json:"filename"`
		Start    Pos    `json:"start"`
		End      Pos    `json:"end"`
	}
	Pos struct {
		Line   int `json:"line"`
		Column int `json:"column"`
		Byte   int `json:"byte"`
	}

	// PlannedSession is one session block of the plan.
	PlannedSession struct {
		Address   string     `json:"addr"`
		Session   string     `json:"session"`
		Kind      string     `json:"kind"`
		Document  string     `json:"document,omitempty"`
		Targets   []string   `json:"targets"`
		Waves     [][]string `json:"waves"` // target ids, wave by wave
		Steps     []string   `json:"steps"` // relative addresses, finally last
		MaxFails  int        `json:"max_failures"`
		Parallel  int        `json:"max_parallel"`
		StartTime float64    `json:"start_seconds"` // what StartSession's quota costs
	}

	// PlanSummary closes the plan's events.
	PlanSummary struct {
		Sessions int     `json:"sessions"`
		Jobs     int     `json:"jobs"`
		Targets  int     `json:"targets"`
		Offline  int     `json:"offline"`
		Starts   int     `json:"starts"`        // StartSession calls
		Seconds  float64 `json:"start_seconds"` // at the planned start rate
	}

	// RunStart opens a run.
	RunStart struct {
		Command   []string `json:"command,omitempty"`
		Runbook   string   `json:"runbook,omitempty"`
		Jobs      int      `json:"jobs"`
		Directory string   `json:"directory,omitempty"` // the run directory
	}

	WaveStart struct {
		Address string   `json:"addr"` // of the session block
		Session string   `json:"session"`
		Wave    int      `json:"wave"` // from 1
		Of      int      `json:"of"`
		Targets []string `json:"targets"`
	}
	WaveComplete struct {
		Address  string                  `json:"addr"`
		Session  string                  `json:"session"`
		Wave     int                     `json:"wave"`
		Of       int                     `json:"of"`
		Outcomes map[outcome.Outcome]int `json:"outcomes"`
	}
	// WaveHalted says that a rollout used up its budget.
	WaveHalted struct {
		Address  string `json:"addr"`
		Session  string `json:"session"`
		Wave     int    `json:"wave"`
		Failures int    `json:"failures"`
		Budget   int    `json:"max_failures"`
		Reason   string `json:"reason"`
	}
	// Approval is a question to the operator and the answer.
	Approval struct {
		Address  string `json:"addr,omitempty"`
		Question string `json:"question"`
		Approved bool   `json:"approved"`
		By       string `json:"by,omitempty"`
	}

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
		Kind     string `json:"kind"`
		Document string `json:"document,omitempty"`
		Reason   string `json:"reason,omitempty"`
	}
	// SessionReady: the channel is open and can take steps.
	SessionReady struct {
		Job
		SessionID    string `json:"session_id"`
		AgentVersion string `json:"agent_version,omitempty"`
		Shell        string `json:"shell,omitempty"`
		DurationMS   int64  `json:"duration_ms"`
	}
	SessionReconnect struct {
		Job
		SessionID string `json:"session_id"`
		Attempt   int    `json:"attempt"`
		Cause     string `json:"cause"`
	}
	SessionComplete struct {
		Job
		SessionID  string `json:"session_id"`
		Terminated bool   `json:"terminated"` // TerminateSession answered
		Error      string `json:"error,omitempty"`
	}

	// StepStart is the intent: it is durable before the command leaves.
	StepStart struct {
		Step
		Command    string `json:"command,omitempty"` // masked, as the plan shows it
		Idempotent bool   `json:"idempotent,omitempty"`
	}
	// StepOutput says that bytes were added to an output file.
	StepOutput struct {
		Step
		Stream string `json:"stream"` // stdout or stderr
		Offset int64  `json:"offset"` // in the file, masked bytes
		Length int64  `json:"length"`
	}
	// StepExpect is one expectation that did not hold.
	StepExpect struct {
		Step
		Expectation string `json:"expectation"` // such as `exit_code` or `stdout contains`
		Expected    string `json:"expected"`
		Got         string `json:"got"`
		Passed      bool   `json:"passed"`
		Message     string `json:"text,omitempty"` // an assert's error_message
		Range       *Range `json:"range,omitempty"`
		Snippet     string `json:"snippet,omitempty"` // the source line
	}
	// StepCapture is a value taken from a result; Value is absent when it is
	// sensitive.
	StepCapture struct {
		Step
		Name      string          `json:"name"`
		Value     json.RawMessage `json:"value,omitempty"`
		Kind      json.RawMessage `json:"value_type,omitempty"`
		Sensitive bool            `json:"sensitive,omitempty"`
	}
	// StepComplete is durable before the next step begins.
	StepComplete struct {
		Step
		Outcome     outcome.Outcome `json:"outcome"`
		ExitCode    *int            `json:"exit_code"` // null when there was none
		Signal      string          `json:"signal,omitempty"`
		StdoutBytes int64           `json:"stdout_bytes"` // what the command wrote
		StderrBytes int64           `json:"stderr_bytes"`
		StdoutKept  int64           `json:"stdout_kept"` // what is in the file
		StderrKept  int64           `json:"stderr_kept"`
		DurationMS  int64           `json:"duration_ms"`
		Verified    bool            `json:"verified"`
		Final       bool            `json:"final"` // no further attempt follows
		Why         string          `json:"why,omitempty"`
	}
	JobComplete struct {
		Job
		Outcome    outcome.Outcome `json:"outcome"`
		FailedStep string          `json:"failed_step,omitempty"`
		Why        string          `json:"why,omitempty"`
		DurationMS int64           `json:"duration_ms"`
	}

	// CheckComplete is the verdict on a check block: passed, failed, or
	// unknown when it could not be evaluated because jobs did not pass.
	CheckComplete struct {
		Address string          `json:"addr"`
		Outcome outcome.Outcome `json:"outcome"`
		Text    string          `json:"text,omitempty"` // its error_message
		Range   *Range          `json:"range,omitempty"`
	}
	// RunSummary closes a run.
	RunSummary struct {
		Jobs        map[outcome.Outcome]int `json:"jobs"`
		Checks      map[outcome.Outcome]int `json:"checks,omitempty"`
		ExitCode    int                     `json:"exit_code"`
		Halted      bool                    `json:"halted,omitempty"`
		Interrupted bool                    `json:"interrupted,omitempty"`
		DurationMS  int64                   `json:"duration_ms"`
	}
	// Outputs has the values of the output blocks.
	Outputs struct {
		Values map[string]Output `json:"outputs"`
	}
	Output struct {
		Sensitive bool            `json:"sensitive"`
		Type      json.RawMessage `json:"type,omitempty"`
		Value     json.RawMessage `json:"value,omitempty"` // absent when sensitive or unknown
	}
)

// Job says which job a fact is about.
type Job struct {
	Address string `json:"addr"`    // module.a.session.restart["eu"]["i-0ab"]
	Session string `json:"session"` // restart["eu"]
	Target  string `json:"target"`
	Name    string `json:"target_name,omitempty"`
}

// Step says which attempt of which step a fact is about. Its Address goes on
// from the job's: session.restart["i-0ab"].step.healthy.
type Step struct {
	Address string `json:"addr"`
	Session string `json:"session"`
	Target  string `json:"target"`
	Name    string `json:"target_name,omitempty"`
	Step    string `json:"step"`
	Attempt int    `json:"attempt"`
}
