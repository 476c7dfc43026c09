package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
)

// The parts of hcl that the packages above need. hclspec is the only package
// that imports hcl, so they are named here.
type (
	Expression  = hcl.Expression
	Range       = hcl.Range
	Diagnostic  = hcl.Diagnostic
	Diagnostics = hcl.Diagnostics
	Scope       = hcl.EvalContext

	// TypeDefaults has the default values of optional() attributes.
	TypeDefaults = typeexpr.Defaults
)

// Runbook is a directory of *.ssm.hcl files: parsed, its shape checked, nothing
// evaluated. An Expression is nil where the author wrote none. Blocks of one
// type are in source order, files in name order.
type Runbook struct {
	Dir       string
	Files     map[string]*File // by name relative to Dir
	Settings  Settings
	Providers []*Provider
	Variables []*Variable
	Locals    []*Local
	Selectors []*Selector // the targets blocks
	Sessions  []*Session
	Checks    []*Check
	Outputs   []*Output
}

// File is the source of one runbook file.
type File struct {
	Name  string
	Bytes []byte

	body  hcl.Body // nil when it could not be parsed
	nav   any      // knows what block an offset is in
	sound int      // bytes before the first syntax error, all when there is none
}

// Settings is the ssmrun block.
type Settings struct {
	RequiredVersion string // a constraint such as ">= 0.1", "" when absent
	Range           Range
}

// Attribute is a named expression: one entry of a literal object such as
// captures or env, or one attribute of locals.
type Attribute struct {
	Name  string
	Expr  Expression
	Range Range // of the name
}

type Provider struct {
	Name              string // "aws"
	Alias             string // `alias`, or ""
	ForEach           Expression
	Region            Expression
	Profile           Expression
	AssumeRole        *AssumeRole
	StartRate         Expression // StartSession calls per second
	SignDataChannel   Expression // "auto" | "on" | "off"
	RequireEncryption Expression
	KMSKeyID          Expression
	Range             Range
}

type AssumeRole struct {
	RoleARN     Expression
	SessionName Expression
	ExternalID  Expression
	Duration    Expression
	Range       Range
}

type Variable struct {
	Name        string
	Type        cty.Type      // cty.DynamicPseudoType when not said
	Defaults    *TypeDefaults // of optional() attributes; nil when none
	Default     cty.Value     // cty.NilVal when required
	Description string
	Sensitive   bool
	Ephemeral   bool
	Nullable    bool // true unless said
	Validations []*Assertion
	Range       Range

	literal bool // a value on the command line is text, not an expression
}

// Assertion is a condition with its complaint: validation, precondition,
// assert.
type Assertion struct {
	Condition    Expression
	ErrorMessage Expression
	Range        Range
}

type Local = Attribute

// Selector is a targets block: how the author chooses targets.
type Selector struct {
	Name          string
	ForEach       Expression
	Count         Expression
	Provider      *ProviderRef // nil: the default provider
	IDs           Expression
	Names         Expression
	Tags          Expression
	Platform      Expression
	ResourceGroup Expression
	Exclude       Expression
	Online        Expression
	Guard         *Guard
	Range         Range
}

type Guard struct {
	Min, Max Expression
	Range    Range
}

// ProviderRef is `aws`, `aws.alias` or `aws.alias[each.key]`.
type ProviderRef struct {
	Name  string
	Alias string
	Key   Expression // nil when there is no index
	Range Range
}

type Session struct {
	Name                     string
	ForEach                  Expression
	Count                    Expression
	Target                   Expression
	Provider                 *ProviderRef
	Document                 Expression
	Parameters               Expression
	Reason                   Expression
	Kind                     Expression // "auto" | "shell" | "command" | "document" | "port"
	Timeout                  Expression // of a whole job
	Env                      Expression
	When                     Expression
	After                    Expression // "passed" (default) | "ended"
	OnDisconnect             Expression
	MaxOutput                Expression
	Shell                    Expression
	AllowSensitiveParameters Expression
	RequireEncryption        Expression
	KMSKeyID                 Expression
	Helper                   Expression
	DependsOn                []Reference
	Preconditions            []*Assertion
	Rollout                  *Rollout
	Steps                    []*Step // in order
	Finally                  []*Step // in order
	Range                    Range
}

// Reference is an address the author wrote as a traversal, such as
// session.restart.
type Reference struct {
	Path  []string
	Range Range
}

type Rollout struct {
	Waves        Expression
	MaxParallel  Expression
	MaxFailures  Expression
	Pause        Expression
	ApproveWaves Expression
	Order        Expression
	OnHalt       Expression
	Range        Range
}

// Step is a step or a finally block. Exactly one of Command, Script, Wait,
// Approve, LocalCommand, Upload, Download and Reboot is set, or none in a step
// that runs the command of its session's document.
type Step struct {
	Name         string
	Finally      bool
	ForEach      Expression
	Command      Expression
	Script       Expression
	Args         Expression
	Wait         Expression
	Approve      Expression
	LocalCommand Expression
	Reboot       *Reboot
	Upload       *Transfer
	Download     *Transfer

	When       Expression
	Expect     *Expect
	Asserts    []*Assertion
	Captures   []*Attribute
	Retry      *Retry
	Timeout    Expression
	Env        Expression
	Dir        Expression
	User       Expression
	Stdin      Expression
	Shell      Expression
	OnFailure  Expression
	Idempotent Expression
	Sensitive  Expression

	TTY         Expression // a terminal of its own; true with prompts
	Prompts     []*Prompt  // in order
	PromptOrder Expression // "in_turn" (default) | "any"
	Range       Range
}

// Reboot restarts the target. Command does it, nil the way that the target knows.
type Reboot struct {
	Command Expression
	Range   Range
}

// Transfer is an upload or a download block. Mode, Owner and Replace are of an
// upload.
type Transfer struct {
	Source, Destination, Mode, Owner, Replace Expression
	Range                                     Range
}

// Prompt is what a program may ask, and the answer.
type Prompt struct {
	Match, Answer, Timeout, Optional, Repeat, Enter Expression
	Range                                           Range
}

type Expect struct {
	ExitCode Expression
	Within   Expression
	Stdout   []*StreamExpect
	Stderr   []*StreamExpect
	Range    Range
}

// StreamExpect is one stdout or stderr block. Tests are in source order; a name
// is one of equals contains matches empty lines json and their not_ forms.
type StreamExpect struct {
	Tests []*Attribute
	Range Range
}

type Retry struct {
	Attempts, Delay, Backoff, MaxDelay, Within, Until Expression
	Range                                             Range
}

type Check struct {
	Name    string
	Asserts []*Assertion
	Range   Range
}

type Output struct {
	Name        string
	Value       Expression
	Description string
	Sensitive   bool
	Range       Range
}
