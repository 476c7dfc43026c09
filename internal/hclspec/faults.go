package hclspec

import "time"

// Never is how long a phase takes that is never answered.
const Never = time.Duration(-1)

// Faults is what a lab does wrong on purpose. The zero value does nothing wrong.
type Faults struct {
	Seed      int64   // with a node's id and the number of its session: of all choices
	StartRate float64 // start_rate = 3: StartSession per second before ThrottlingException; 0 = no limit

	// The network between service and client, in both directions.
	Latency    time.Duration // latency = "25ms", one way
	Jitter     time.Duration // jitter = "5ms": up to so much more, by chance
	Drop       float64       // drop = 0.02: share of messages lost
	DropBurst  int           // drop_burst = 3: a loss takes so many in a row; 0 = 1
	Duplicate  float64       // duplicate = 0.02
	Reorder    float64       // reorder = 0.1
	Disconnect Trigger       // disconnect = "every 200 messages": the connection ends
	Blackhole  Trigger       // blackhole = "after 64 KiB": the connection stays and says nothing more

	// What the service does.
	Pause     Pause                    // pause = "every 20 messages for 2s": pause_publication, and nothing of the agent's meanwhile
	LostStart bool                     // lost_start = true: start_publication never arrives
	API       map[string]APIFault      // api "StartSession" { ... }, by operation
	Slow      map[string]time.Duration // slow = { handshake = "2s", close = "never" }, by phase

	// What the agent and its node do.
	BadMessages map[string]Trigger // bad_message "wrong_digest" { when = "every 50 messages" }, by kind
	Reboot      Trigger            // reboot = "after 20 messages": the node is away for its reboot_time
	AgentDies   Trigger            // agent_dies = "after 20 messages": its sessions end, and say nothing about it
	AgentHangs  Trigger            // agent_hangs = "after 20 messages": its sessions stay, and say nothing
	AgentBack   time.Duration      // agent_back = "2s": how long until the agent runs again; 0 = never
}

// Trigger says when a fault strikes: "every 200 messages", "after 64 KiB",
// "after 2s". Exactly one of the counts is set; the zero value is never.
type Trigger struct {
	Repeats  bool // every, not after
	Messages int
	Bytes    int64
	Time     time.Duration
}

// IsZero reports whether the fault never strikes.
func (t Trigger) IsZero() bool { return t == Trigger{} }

// Pause is a pause of publication.
type Pause struct {
	When Trigger // messages or bytes
	For  time.Duration
}

// APIFault is what an operation of the API answers instead, the first times that
// it is called or by chance. Calls are counted for each node apart.
type APIFault struct {
	Error string // one of APIErrors
	First int    // the first so many calls; or
	Share float64
}

// What an api block may be about. The first ones name a node or its session, so
// that nodes may have them apart.
var (
	NodeOperations = []string{"StartSession", "ResumeSession", "TerminateSession", "GetConnectionStatus"}
	LabOperations  = []string{"DescribeSessions", "DescribeInstanceInformation", "GetDocument", "DescribeDocument",
		"GetResources", "GenerateDataKey"}
)

// Errors of an api block that are no error codes of AWS.
const (
	ErrorNone            = "none"             // undoes the file's for a nodes block
	ErrorConnectionReset = "connection reset" // the call is not made and its connection ends
	ErrorLostAnswer      = "lost answer"      // the call is made and its connection ends
	ErrorEmptyToken      = "empty token"      // StartSession and ResumeSession answer without a token
)

// APIErrors are what an api block's error may be.
var APIErrors = []string{
	"ThrottlingException", "InternalServerError", "ServiceUnavailable", "AccessDeniedException", "ExpiredTokenException",
	"TargetNotConnected", ErrorConnectionReset, ErrorLostAnswer, ErrorEmptyToken, ErrorNone,
}

// Phases of a session that can be slow, in their order: the answer to an API
// call; that to the request for a websocket, and its end; what follows
// OpenDataChannel; the agent's handshake; its first output; the exit code; and
// channel_closed.
const (
	PhaseAPI       = "api"
	PhaseDial      = "dial"
	PhaseUpgrade   = "upgrade"
	PhaseOpen      = "open"
	PhaseHandshake = "handshake"
	PhaseOutput    = "output"
	PhaseExit      = "exit"
	PhaseClose     = "close"
)

var phases = []string{PhaseAPI, PhaseDial, PhaseUpgrade, PhaseOpen, PhaseHandshake, PhaseOutput, PhaseExit, PhaseClose}

// BadMessageKinds are what can be wrong with a message of the agent.
var BadMessageKinds = []string{
	"wrong_digest", "header_length_0", "header_length_117", "header_length_4294967295", "payload_length",
	"payload_type", "negative_sequence", "too_big", "text_frame",
}
