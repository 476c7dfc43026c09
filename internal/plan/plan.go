package plan

import (
	"encoding/json"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// Kind is how the steps of a session travel.
type Kind string

const (
	KindShell    Kind = "shell"    // Standard_Stream: all steps over one session, by the step server
	KindCommand  Kind = "command"  // NonInteractiveCommands: one session a step
	KindDocument Kind = "document" // a document that carries its own command
	KindPort     Kind = "port"     // Port: a tunnel for local commands
)

// Provider is an evaluated provider block: where AWS is talked to.
type Provider struct {
	Key             string // `aws`, `aws.eu`, `aws.r["x"]`
	Region          string
	Profile         string
	RoleARN         string
	RoleSessionName string
	ExternalID      string
	RoleDuration    time.Duration
	StartRate       float64 // StartSession calls per second, 2 unless said
	SignDataChannel string  // auto, on, off

	// RequireEncryption and KMSKeyID are for all of its sessions; see Encryption.
	RequireEncryption bool
	KMSKeyID          string // "": any
}

// Selection is what fleet has to find: a targets block, or the literal ids of
// a session's target. Different arguments intersect; the values of one are
// alternatives; `*` works in tag values and names.
type Selection struct {
	Address       string // targets.web, targets.web["k"], or session.x for literal ids
	Provider      string // Provider.Key
	IDs           []string
	Names         []string
	Tags          map[string][]string
	Platform      string // "", or as AWS has it: Linux, Windows, MacOS
	ResourceGroup string
	Exclude       []string
	OnlineOnly    bool
	WantTags      bool // the runbook refers to target.tags or target.name
	Range         hclspec.Range
}

// Found is fleet's answer to one Selection, ordered by id.
type Found struct {
	Address string
	Targets []Target
	Missing []Missing
}

// Missing is an id that was asked for by name and is not there, or a node that
// was left out, and why.
type Missing struct {
	ID    string `json:"id"`
	Why   string `json:"why"`
	Error bool   `json:"error"` // an id that the author named and that is not there
}

// Target is one resolved node.
type Target struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Platform     string            `json:"platform"` // Linux, Windows, MacOS
	IP           string            `json:"ip,omitempty"`
	Region       string            `json:"region"`
	Account      string            `json:"account,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Online       bool              `json:"online"`
	PingStatus   string            `json:"ping_status"`
	AgentVersion string            `json:"agent_version,omitempty"`
	Provider     string            `json:"provider"`
}

// Document is what GetDocument says of a session document.
type Document struct {
	Name                 string
	Version              string
	Hash                 string
	SessionType          string // Standard_Stream, InteractiveCommands, NonInteractiveCommands, Port
	SeparateOutputStream bool   // declared as a parameter, so that it can be asked for
	Parameters           []string
	Required             []string // parameters without a default
	RunAs                string
	ShellProfile         string
	KMSKeyID             string
	LogSinks             []string
	IdleTimeout          time.Duration
	MaxSessionTime       time.Duration

	// Defect is why no session can be had with it, "" when one can: it is not
	// there, or of another type. Nothing but Name is known then.
	Defect string `json:",omitempty"`
}

// Plan is what will run: pure data, made from a runbook, values and targets.
// Its methods Prepare, Judge and Conclude answer at run time, to any number of
// goroutines at once.
type Plan struct {
	Dir       string
	Providers []Provider
	Found     []Found                  // what each Selection resolved to, by address
	Documents map[DocumentRef]Document // those that sessions use
	Sessions  []*Session               // in dependency order, then in source order, keys sorted
	Files     map[string]string        // SHA-256 in hex of the files that were read, by path
	Warnings  hclspec.Diagnostics

	eval      *Evaluator
	scope     *hclspec.Scope // var, local, path, targets and the functions
	byName    map[string]*sessionBlock
	byAddress map[string]*Session
	scripts   map[string][]byte // by path
	cache     sessionCache
}

// Session is one instance of a session block.
type Session struct {
	Address   string        // module.a.session.restart["eu"]
	Name      string        // restart["eu"]: the `session` field of events
	Kind      Kind          // of all its jobs that have none of their own
	Document  string        // DocumentName to send, "" for the account's preferences
	Reason    string        // as planned; may be "(known after session)" and the like
	When      string        // the source of its condition, "" without one
	Timeout   time.Duration // of a job; 0 = none
	MaxOutput int64         // bytes kept of each step's stream
	Shell     string        // of steps that name none; "" is sh, powershell on Windows
	// OnDisconnect is what becomes of a running step when the client is gone:
	// finish or kill.
	OnDisconnect string
	// RequireEncryption and KMSKeyID are what the session says, beside its
	// provider; see Provider.Encryption.
	RequireEncryption bool
	KMSKeyID          string
	Helper            bool // the step server is a program that is sent; see HelperBytes
	Rollout           Rollout
	DependsOn         []string // addresses of sessions that must have ended first
	AfterEnded        bool     // after = "ended": runs also when those did not pass
	Steps             []*Step  // declared steps, for_each expanded, in order
	Finally           []*Step
	LeftOut           bool   // -target names none of its targets
	Jobs              []*Job // in wave order, then rollout order
	Range             hclspec.Range

	block          *sessionBlock
	scope          *hclspec.Scope // with each or count
	key            cty.Value      // of for_each or count; cty.NilVal without
	allowSensitive bool
	planned        map[string]cty.Value // what `step.NAME` is at plan, by name of the block
	representative *Job                 // stands for all jobs where only one can
}

// Rollout is how a session's jobs go out. Waves has the number of jobs that
// have started when each wave has, cumulative; the last equals len(Jobs).
type Rollout struct {
	Waves        []int
	MaxParallel  int // 0 = no limit of its own
	MaxFailures  int // halt when more than this failed; -1 = no budget
	Pause        time.Duration
	ApproveWaves bool
	OnHalt       string // finish_step, finish_job, cancel
	Implied      bool   // no rollout block: the safe default
}

// Job is one session block on one target.
type Job struct {
	Address  string // session.restart["eu"]["i-0ab"]
	Session  *Session
	Target   Target
	Kind     Kind
	Wave     int    // from 0
	Document string // DocumentName to send for this target
	// SeparateOutput: that document declares separateOutputStream, so a session
	// of the command kind asks for it.
	SeparateOutput bool

	value cty.Value // what `target` is
}

// Step is a declared step of a session instance.
type Step struct {
	Label             string // healthy, or x["a"]: the `step` field of events
	Index             int    // from 0 in the order of running, finally steps after the others
	Finally           bool
	Timeout           time.Duration // of an attempt; 0 = none (finally: 30 s, reboot: 10 min)
	Retry             Retry
	OnFailureContinue bool
	Idempotent        bool
	Sensitive         bool // output is neither shown nor written
	Action            Action
	Terminal          bool     // its command has a terminal of its own
	Prompts           []Prompt // what its program may ask
	PromptsAnyOrder   bool     // they come in any order, not in turn
	When              string   // the source of its condition, "" without one
	Range             hclspec.Range

	decl  *hclspec.Step
	scope *hclspec.Scope // of the session instance, with the step's own each
	uses  stepUses
}

// Prompt is a prompt block of a step.
type Prompt struct {
	Timeout  time.Duration // since the beginning or the answer before; 0 = by silence
	Optional bool
	Repeat   bool
	Enter    bool // the answer ends with the key Enter

	decl *hclspec.Prompt
}

// Action is the one thing that a step does.
type Action string

const (
	ActionCommand      Action = "command"
	ActionScript       Action = "script"
	ActionWait         Action = "wait"
	ActionApprove      Action = "approve"
	ActionLocalCommand Action = "local_command"
	ActionUpload       Action = "upload"
	ActionDownload     Action = "download"
	ActionDocument     Action = "document" // the command of the session's document
	ActionReboot       Action = "reboot"
)

// Retry is a step's retry block; without one Attempts is 1.
type Retry struct {
	Attempts int
	Delay    time.Duration
	Backoff  float64
	MaxDelay time.Duration
	Within   time.Duration // of all attempts together; 0 = none
}

// Facts is what a run knows so far: plain data that the journal can hold.
// Prepare, Judge and Conclude only read it, so a caller may share it between
// goroutines as long as nobody writes meanwhile. The facts of a job that has an
// outcome must not change any more: what follows from them is kept.
type Facts struct {
	RunID     string
	StartedAt time.Time
	Jobs      map[string]*JobFacts // by Job.Address
}

type JobFacts struct {
	Outcome    outcome.Outcome // "" while running
	FailedStep string
	Duration   time.Duration
	LocalPort  int                   // of the port kind: this machine's end of the tunnel
	Steps      map[string]*StepFacts // by Step.Label
}

type StepFacts struct {
	Outcome  outcome.Outcome
	ExitCode *int
	Duration time.Duration
	Attempt  int
	Captures map[string]Value
}

// Value is an opaque typed value in JSON: cty's type and value encodings.
type Value struct {
	Type      json.RawMessage `json:"type"`
	Value     json.RawMessage `json:"value"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// Start is what Prepare says of a job as a whole, before its session.
type Start struct {
	Skip       bool   // the session's when was false
	Why        string // why it is skipped: the condition, and that it is false
	Reason     string // the runbook's, without the ssmrun/RUN/JOB suffix
	Parameters map[string][]string
	Env        []EnvVar
	LocalPort  int      // of the port kind: the port to listen on, 0 for any that is free
	Conceal    []string // secrets to teach the redactor before anything else
}

type EnvVar struct{ Name, Value string }

// Work is one attempt at a step, rendered.
type Work struct {
	Skip     bool   // when was false
	Why      string // the condition, and that it is false
	Action   Action
	Script   []byte   // for ActionCommand, ActionScript and ActionReboot: what the shell runs, byte for byte
	Shell    string   // sh unless said
	Args     []string // of a script
	Argv     []string // of a local command
	Env      []EnvVar // session's and step's, in order, later ones win
	Dir      string
	User     string
	Stdin    []byte
	Wait     time.Duration
	Upload   *Upload
	Download *Download
	Question string
	Prompts  []Question // of Step.Prompts, one each
	Conceal  []string   // secrets in it, to teach the redactor before use
	Display  string     // the command for people, sensitive parts masked
}

// Tree and TreeEntry are a file or directory of this machine, as it was at plan.
type (
	Tree      = hclspec.Tree
	TreeEntry = hclspec.TreeEntry
)

// Upload is what an upload step sends. The content is what it was at plan.
type Upload struct {
	Tree        Tree
	Destination string // absolute
	Mode        string // of a file, octal; "" is 0644
	Owner       string // "" leaves it to the target
	Replace     bool   // a directory that is there is replaced
}

// Download is what a download step fetches.
type Download struct {
	Source      string // absolute, on the target
	Destination string // absolute, on this machine
}

// Transferred is what an upload or a download has brought over.
type Transferred struct {
	Bytes  int64
	SHA256 string // of a file; of a directory, of its archive
}

// Question is a prompt of a step, rendered.
type Question struct {
	Match  string // a regular expression
	Answer []byte // as it is typed
	// Late: the answer depends on the output, so Plan.Answer gives it when the
	// question was asked.
	Late bool
}

// Result is what came back from an attempt.
type Result struct {
	Attempt  int
	ExitCode *int   // nil when none arrived, or the kind has none
	Signal   string // such as KILL, when known
	Duration time.Duration
	Stdout   *Recording
	Stderr   *Recording
	TimedOut bool // we stopped it and saw its end
	Verified bool
	Transfer *Transferred   // of an upload or a download that succeeded
	Prompts  []PromptResult // of Step.Prompts, one each
	Screen   string         // the last lines on the terminal, of a step with prompts
}

// PromptResult is what became of a prompt.
type PromptResult struct {
	Asked int  // how often
	Late  bool // its time passed, and the program was stopped
}

// Verdict is what Judge says of an attempt.
type Verdict struct {
	Outcome      outcome.Outcome // Passed, Failed or TimedOut
	Expectations []Expectation   // all of them, in source order
	Captures     map[string]Value
	Conceal      []string            // secrets among the captures
	Retry        bool                // another attempt is due, after the step's delay
	Diagnostics  hclspec.Diagnostics // expressions that could not be evaluated: they fail the step
}

type Expectation struct {
	Name     string // exit_code, stdout contains, assert, until, within
	Expected string
	Got      string
	Passed   bool
	Message  string // an assert's error_message
	Range    hclspec.Range
}

// Conclusion is what checks and outputs say of a finished run.
type Conclusion struct {
	Checks      []CheckResult
	Outputs     map[string]OutputValue
	Diagnostics hclspec.Diagnostics
}

type CheckResult struct {
	Address string          // check.one_version
	Outcome outcome.Outcome // Passed, Failed, Unknown
	Message string
	Range   hclspec.Range
}

type OutputValue struct {
	Value
	Known bool
}

// Call is one StartSession call, complete: nothing in it is left to render.
type Call struct {
	Provider   string // Provider.Key
	Target     string // id
	Document   string // "" sends no DocumentName
	Parameters map[string][]string
	Reason     string // at most 256 characters, suffix included
	Port       bool   // its bytes are read from the session's port, not written out

	// RequireEncryption and KMSKeyID are the session's own, beside the
	// provider's; see Provider.Encryption.
	RequireEncryption bool
	KMSKeyID          string
}

// Progress is what a job waits for while its session is being started.
type Progress struct {
	Why  string        // such as "StartSession quota" or "throttled"
	Wait time.Duration // expected, 0 when not known
}
