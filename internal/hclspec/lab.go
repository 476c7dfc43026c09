package hclspec

import "time"

// Lab is what *.lab.hcl files declare. Everything is a literal: a lab file has
// no variables.
type Lab struct {
	Nodes  []*Nodes
	Agent  Agent  // the defaults, then the top-level agent block
	Faults Faults // the top-level faults block: the service's own, and those of nodes without one
	KMS    *KMS   // the kms block; nil: sessions are not encrypted
}

// KMS is a kms block: a KMS key of the account with which sessions are encrypted,
// and what goes wrong with it on purpose.
type KMS struct {
	KeyID            string   // key_id = "alias/ssm": as the preferences and the agent name it
	State            string   // state = "Enabled": or "Disabled", "PendingDeletion"
	Deny             []string // deny = ["Decrypt"]: operations that are refused, "GenerateDataKey" or "Decrypt"
	RequireChallenge bool     // require_challenge = true: agents refuse clients that do not acknowledge the challenge
}

// Nodes is a nodes block: a group of alike nodes.
type Nodes struct {
	Label     string
	Count     int      // number of nodes; len(IDs) when ids is given
	IDs       []string // given by hand, or nil
	Tags      map[string]string
	Platform  string // "Linux" unless said
	Shell     string // the shell of Standard_Stream sessions: "sh" unless said
	Env       map[string]string
	Online    bool   // ping status; true unless said
	User      string // run as this user; "" = unprivileged when ssmrun is root
	Isolation string // "" | "namespace"

	Units      map[string]string // units = { nginx = "active" }: systemd units the node has, and their state: active, inactive or failed
	Files      map[string]string // files = { "etc/app.conf" = "text" }: files in the node's home directory, by relative path
	RebootTime time.Duration     // reboot_time = "2s": how long the node is down when it reboots; 0 = 2 s

	Agent  *Agent  // overrides Lab.Agent when there is an agent block
	Faults *Faults // Lab.Faults and, over them, the faults block; nil without one
	KMS    *KMS    // in place of Lab.KMS when there is a kms block
	Range  Range
}

// Agent is the habits of the agent that clients must live with. Each is on by
// default and can be turned off in an agent block.
type Agent struct {
	Version          string        // version
	MaxPayload       int           // max_payload = 1024: bytes of output a message
	FirstOutputDelay time.Duration // first_output_delay = "1s": a pty's first output waits
	Pacing           time.Duration // pacing = "1ms": pause after each message
	OutputRate       int           // output_rate = 5000000: bytes of output a second; 0 = no limit
	UTF8             bool          // utf8 = true: output goes through the agent's UTF-8 decoder
	DirectExec       bool          // direct_exec = true: NonInteractiveCommands has no shell
	KillDirectChild  bool          // kill_direct_child = true: only the direct child is killed
}
