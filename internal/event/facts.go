package event

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Levels of a record, the @level field.
const (
	LevelInfo  = "info"
	LevelWarn  = "warn"
	LevelError = "error"
)

// Severity of a diagnostic.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

type (
	// VersionFact is the first fact of every stream. UI is Version.
	VersionFact struct {
		SSMRun string `json:"ssmrun"`
		UI     string `json:"ui"`
	}

	// LogFact is a line for people that is no fact about the run.
	LogFact struct {
		Severity string `json:"-" mask:"keep"` // info, warn, error; goes to @level
		Text     string `json:"-"`             // goes to @message
	}

	// Diagnostic is a mistake of the user's, or a warning.
	Diagnostic struct {
		Severity string `json:"severity" mask:"keep"`
		Summary  string `json:"summary"`
		Detail   string `json:"detail,omitempty"`
		Address  string `json:"address,omitempty" mask:"keep"`
		Range    *Range `json:"range,omitempty"`
		Snippet  string `json:"snippet,omitempty"`
	}

	// Range is a place in a runbook. Lines and columns count from 1.
	Range struct {
		Filename string `json:"filename" mask:"keep"`
		Start    Pos    `json:"start"`
		End      Pos    `json:"end"`
	}

	// Pos is one end of a Range. Byte counts from 0.
	Pos struct {
		Line   int `json:"line"`
		Column int `json:"column"`
		Byte   int `json:"byte"`
	}
)

// String gives file:line, as editors take it.
func (r Range) String() string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

func (VersionFact) Type() string  { return "version" }
func (VersionFact) Level() string { return LevelInfo }
func (f VersionFact) Message() string {
	return fmt.Sprintf("ssmrun %s, events %s", f.SSMRun, f.UI)
}

func (LogFact) Type() string { return "log" }
func (f LogFact) Level() string {
	switch f.Severity {
	case LevelWarn, LevelError:
		return f.Severity
	}
	return LevelInfo
}
func (f LogFact) Message() string { return f.Text }

func (Diagnostic) Type() string { return "diagnostic" }
func (f Diagnostic) Level() string {
	if f.Severity == SeverityError {
		return LevelError
	}
	return LevelWarn
}
func (f Diagnostic) Message() string {
	if f.Severity == SeverityError {
		return "Error: " + f.Summary
	}
	return "Warning: " + f.Summary
}

type (
	// PlannedSession is one session block of the plan.
	PlannedSession struct {
		Address   string     `json:"addr" mask:"keep"`
		Session   string     `json:"session" mask:"keep"`
		Kind      string     `json:"kind" mask:"keep"`
		Document  string     `json:"document,omitempty" mask:"keep"`
		Targets   []string   `json:"targets" mask:"keep"`
		Waves     [][]string `json:"waves" mask:"keep"` // target ids, wave by wave
		Steps     []string   `json:"steps" mask:"keep"` // relative addresses, finally last
		MaxFails  int        `json:"max_failures"`      // -1: no budget
		Parallel  int        `json:"max_parallel"`      // 0: no limit of its own
		StartTime float64    `json:"start_seconds"`     // what StartSession's quota costs
	}

	// PlanSummary closes the plan's facts.
	PlanSummary struct {
		Sessions int     `json:"sessions"`
		Jobs     int     `json:"jobs"`
		Targets  int     `json:"targets"`
		Offline  int     `json:"offline"`
		Starts   int     `json:"starts"`        // StartSession calls
		Seconds  float64 `json:"start_seconds"` // at the planned start rate
	}
)

func (PlannedSession) Type() string  { return "planned_session" }
func (PlannedSession) Level() string { return LevelInfo }
func (f PlannedSession) Message() string {
	return fmt.Sprintf("%s: %s in %s", f.Address, count(len(f.Targets), "target"), count(len(f.Waves), "wave"))
}

func (PlanSummary) Type() string  { return "plan_summary" }
func (PlanSummary) Level() string { return LevelInfo }
func (f PlanSummary) Message() string {
	return fmt.Sprintf("Plan: %s, %s on %s (%d offline)",
		count(f.Sessions, "session"), count(f.Jobs, "job"), count(f.Targets, "target"), f.Offline)
}

type (
	// RunStart opens a run.
	RunStart struct {
		Command   []string `json:"command,omitempty"`
		Runbook   string   `json:"runbook,omitempty"`
		Jobs      int      `json:"jobs"`
		Directory string   `json:"directory,omitempty" mask:"keep"` // the run directory
	}

	// Approval is a question to the operator and the answer.
	Approval struct {
		Address  string `json:"addr,omitempty" mask:"keep"`
		Question string `json:"question"`
		Approved bool   `json:"approved"`
		By       string `json:"by,omitempty"`
	}

	// CheckComplete is the verdict on a check block: passed, failed, or
	// unknown when it could not be evaluated because jobs did not pass.
	CheckComplete struct {
		Address string          `json:"addr" mask:"keep"`
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

	// Output is the value of one output block. Value is absent when it is
	// sensitive or not known.
	Output struct {
		Sensitive bool            `json:"sensitive"`
		Type      json.RawMessage `json:"type,omitempty"`
		Value     json.RawMessage `json:"value,omitempty"`
	}
)

func (RunStart) Type() string      { return "run_start" }
func (RunStart) Level() string     { return LevelInfo }
func (f RunStart) Message() string { return fmt.Sprintf("Run started: %s", count(f.Jobs, "job")) }

func (Approval) Type() string { return "approval" }
func (f Approval) Level() string {
	if !f.Approved {
		return LevelWarn
	}
	return LevelInfo
}
func (f Approval) Message() string {
	answer := "refused"
	if f.Approved {
		answer = "approved"
	}
	return fmt.Sprintf("%s: %s", f.Question, answer)
}

func (CheckComplete) Type() string { return "check_complete" }
func (f CheckComplete) Level() string {
	switch f.Outcome {
	case outcome.Passed:
		return LevelInfo
	case outcome.Failed:
		return LevelError
	}
	return LevelWarn
}
func (f CheckComplete) Message() string { return because(f.Address, f.Outcome, f.Text) }

func (RunSummary) Type() string { return "run_summary" }
func (f RunSummary) Level() string {
	if f.ExitCode != 0 {
		return LevelError
	}
	return LevelInfo
}
func (f RunSummary) Message() string { return "Run complete: " + tally(f.Jobs) }

func (Outputs) Type() string      { return "outputs" }
func (Outputs) Level() string     { return LevelInfo }
func (f Outputs) Message() string { return "Outputs: " + fmt.Sprint(len(f.Values)) }

// because is "address: outcome: why", without the parts that are empty.
func because(address string, o outcome.Outcome, why string) string {
	s := address + ": " + string(o)
	if why != "" {
		s += ": " + why
	}
	return s
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// tally lists the outcomes that occurred, best first.
func tally(jobs map[outcome.Outcome]int) string {
	var parts []string
	for _, o := range outcome.All {
		if n := jobs[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(parts) == 0 {
		return "no jobs"
	}
	return strings.Join(parts, ", ")
}
