package awscli

// A Kind is how an option is written.
type Kind int

// The kinds of option.
const (
	Value   Kind = iota // --name value, or --name=value
	Flag                // --name
	Maybe               // --name, or --name value
	Version             // --version: prints and ends
)

// An Option is one option of start-session.
type Option struct {
	Name    string // without the dashes
	Kind    Kind
	Choices []string // the only values, when there are any
	Help    string   // one line
	Global  bool     // every aws command has it
}

const (
	optInputJSON    = "cli-input-json"
	optInputYAML    = "cli-input-yaml"
	optSkeleton     = "generate-cli-skeleton"
	optAutoPrompt   = "cli-auto-prompt"
	optNoAutoPrompt = "no-cli-auto-prompt"
)

// Options returns the options in the CLI's order: its messages list them so,
// the global ones first.
func Options() []Option {
	return append(globalOptions(), operationOptions()...)
}

func globalOptions() []Option {
	options := []Option{
		{Name: "debug", Kind: Flag, Help: "log what is done, in detail"},
		{Name: "endpoint-url", Help: "call this URL and not the region's own"},
		{Name: "no-verify-ssl", Kind: Flag, Help: "do not verify certificates"},
		{Name: "no-paginate", Kind: Flag, Help: "accepted: there is only one page"},
		{Name: "output", Choices: []string{"json", "text", "table", "yaml", "yaml-stream", "off"}, Help: "format of what is printed"},
		{Name: "query", Help: "JMESPath expression that picks what is printed"},
		{Name: "profile", Help: "profile of the shared config and credentials files"},
		{Name: "region", Help: "region, before that of the environment and the profile"},
		{Name: "color", Choices: []string{"on", "off", "auto"}, Help: "colour in tables"},
		{Name: "no-sign-request", Kind: Flag, Help: "send requests unsigned, load no credentials"},
		{Name: "ca-bundle", Help: "file of certificates to trust"},
		{Name: "cli-read-timeout", Help: "seconds to wait for an answer, 0 for ever (default 60)"},
		{Name: "cli-connect-timeout", Help: "seconds to wait for a connection, 0 for ever (default 60)"},
		{Name: "cli-binary-format", Choices: []string{"base64", "raw-in-base64-out"}, Help: "accepted: no parameter is binary"},
		{Name: "no-cli-pager", Kind: Flag, Help: "accepted: there is no pager"},
		{Name: optAutoPrompt, Kind: Flag, Help: "refused: there is no prompt for options"},
		{Name: optNoAutoPrompt, Kind: Flag, Help: "accepted: there is no prompt for options"},
		{Name: "cli-error-format", Choices: []string{"legacy", "json", "yaml", "text", "table", "enhanced"}, Help: "format of errors"},
		{Name: "version", Kind: Version, Help: "print the version"},
	}
	for i := range options {
		options[i].Global = true
	}
	return options
}

func operationOptions() []Option {
	return []Option{
		{Name: "target", Help: "node to connect to"},
		{Name: "document-name", Help: "session document (default SSM-SessionManagerRunShell)"},
		{Name: "reason", Help: "why, for the record of the session"},
		{Name: "parameters", Help: `parameters of the document: name=value,name=["v1","v2"], or JSON`},
		{Name: optInputJSON, Help: "all parameters as JSON, or file://; other options come before it"},
		{Name: optInputYAML, Help: "refused: give the same as JSON"},
		{Name: optSkeleton, Kind: Maybe, Choices: []string{"input", "output", "yaml-input"}, Help: "print a form to fill in, and call nothing"},
	}
}

// firstOptions are those that the CLI looks for before all else.
func firstOptions() []Option {
	return []Option{{Name: "profile"}, {Name: "debug", Kind: Flag}}
}
