package awscli

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Command is what a command line asks for.
type Command struct {
	Version bool // print the version, and nothing else counts
	Help    bool // print the help

	Globals  Globals
	Skeleton string  // --generate-cli-skeleton: "", "input" or "output"
	Request  Request // what to send; for Skeleton "input" it may be incomplete
}

// Globals are the values of the global options.
type Globals struct {
	Debug          bool
	EndpointURL    string
	NoVerifySSL    bool
	Output         Output // Format "" is for the environment and the profile to say
	Profile        string
	Region         string
	NoSignRequest  bool
	CABundle       string
	ReadTimeout    time.Duration // 0 waits for ever
	ConnectTimeout time.Duration // 0 waits for ever
	ErrorFormat    string        // "" is for the environment and the profile to say
}

// defaultTimeout is botocore's DEFAULT_TIMEOUT.
const defaultTimeout = 60 * time.Second

// Parse reads the arguments after `aws ssm start-session`. An error is an
// *Error; the globals in the command are then as far as they were read, so
// that the error can be shown in the format they ask for.
func Parse(args []string, files Files) (*Command, error) {
	c := &Command{}
	err := c.parse(args, files)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			err = &Error{Exit: ExitGeneral, Message: err.Error()}
		}
	}
	return c, err
}

func (c *Command) parse(args []string, files Files) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return invalid("argument %s is not UTF-8", stringRepr(arg))
		}
	}
	rest, err := c.passes(append([]string{"ssm", "start-session"}, args...))
	if err != nil || c.Version || c.Help {
		return err
	}
	operation, err := parseOperation(rest)
	if err != nil {
		return err
	}
	if c.Help = operation.word == "help"; c.Help {
		return nil
	}
	if operation.word != "" {
		operation.leftover = append(operation.leftover, operation.word)
	}
	if len(operation.leftover) > 0 {
		return &Error{Exit: ExitUsage, Message: "Unknown options: " + strings.Join(operation.leftover, ", "), unknown: true}
	}
	return c.request(operation.values, files)
}

// passes takes the global options out of a whole command line and returns the
// arguments of the operation.
func (c *Command) passes(line []string) ([]string, error) {
	first := &pass{options: firstOptions(), usage: firstUsage}
	if _, err := first.parse(line); err != nil {
		return nil, err
	}
	if slices.Contains(line, "--"+optAutoPrompt) {
		if slices.Contains(line, "--"+optNoAutoPrompt) {
			return nil, invalid("Both --%s and --%s cannot be specified at the same time.", optAutoPrompt, optNoAutoPrompt)
		}
		return nil, invalid("--%s is not supported", optAutoPrompt)
	}
	global, err := (&pass{options: globalOptions(), positional: "one", usage: usage}).parse(line)
	if err != nil {
		return nil, err
	}
	if c.Version = global.version; c.Version {
		return nil, nil
	}
	if err := c.Globals.set(global); err != nil {
		return nil, err
	}
	service, err := (&pass{positional: "one", usage: usage}).parse(global.leftover)
	if err != nil {
		return nil, err
	}
	c.Help = slices.Equal(service.leftover, []string{"help"})
	return service.leftover, nil
}

// parseOperation reads the operation's own options. An input document or a
// skeleton makes --target optional, if the option is a word of its own and, for
// a skeleton, "output" is not the next.
func parseOperation(args []string) (*parsed, error) {
	p := &pass{options: operationOptions(), positional: "maybe", usage: usage, required: []string{"target"}}
	if slices.Contains(args, "--"+optInputJSON) || slices.Contains(args, "--"+optInputYAML) {
		p.required = nil
	}
	if i := slices.Index(args, "--"+optSkeleton); i >= 0 && (i+1 == len(args) || args[i+1] != "output") {
		p.required = nil
	}
	return p.parse(args)
}

func (g *Globals) set(p *parsed) error {
	v := p.values
	*g = Globals{
		Debug: p.flags["debug"], NoVerifySSL: p.flags["no-verify-ssl"], NoSignRequest: p.flags["no-sign-request"],
		EndpointURL: v["endpoint-url"], Profile: v["profile"], Region: v["region"], CABundle: v["ca-bundle"],
		Output:      Output{Format: v["output"], Color: v["color"]},
		ErrorFormat: v["cli-error-format"],
	}
	if text, ok := v["query"]; ok {
		query, err := CompileQuery(text)
		if err != nil {
			return err
		}
		g.Output.Query = query
	}
	if text, ok := v["endpoint-url"]; ok && !hasScheme(text) {
		return invalid(`Bad value for --endpoint-url "%s": scheme is missing.  Must be of the form http://<hostname>/ or https://<hostname>/`, text)
	}
	var err error
	if g.ReadTimeout, err = timeout(v, "cli-read-timeout"); err != nil {
		return err
	}
	g.ConnectTimeout, err = timeout(v, "cli-connect-timeout")
	return err
}

var scheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)

// hasScheme is whether Python's urlparse finds a scheme. "localhost:8080" has
// one.
func hasScheme(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return r <= ' ' })
	return scheme.MatchString(strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(text))
}

func timeout(values map[string]string, name string) (time.Duration, error) {
	text, ok := values[name]
	if !ok {
		return defaultTimeout, nil
	}
	n, ok := parseInt(text)
	if !ok {
		return 0, &Error{Exit: ExitGeneral, Message: "invalid literal for int() with base 10: " + stringRepr(text)}
	}
	if strings.HasPrefix(string(n), "-") {
		return 0, invalid("Bad value for --%s %s: a time is not negative", name, n)
	}
	seconds, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil || seconds > math.MaxInt64/int64(time.Second) {
		return 0, invalid("Bad value for --%s %s: the time is too long", name, n)
	}
	return time.Duration(seconds) * time.Second, nil
}

// request makes the request of the options, in the CLI's order: each option's
// file is read, then the input document, then all is validated.
func (c *Command) request(values map[string]string, files Files) error {
	call := &Object{}
	for _, o := range operationOptions() {
		text, ok := values[o.Name]
		if !ok {
			continue
		}
		loaded, err := files.load(text)
		if err != nil {
			return badParameter("--"+o.Name, err.Error())
		}
		switch o.Name {
		case "target":
			call.Set("Target", loaded)
		case "document-name":
			call.Set("DocumentName", loaded)
		case "reason":
			call.Set("Reason", loaded)
		case "parameters":
			parameters, err := parseParameters(loaded, files)
			if err != nil {
				return err
			}
			call.Set("Parameters", parameters)
		}
	}
	if err := c.input(call, values, files); err != nil {
		return err
	}
	if c.Skeleton = values[optSkeleton]; c.Skeleton == "yaml-input" {
		return invalid("--%s yaml-input is not supported: use input, and --%s", optSkeleton, optInputJSON)
	}
	if c.Skeleton == "input" {
		return nil
	}
	if err := validate(call); err != nil {
		return err
	}
	c.Request = newRequest(call)
	return nil
}

// input adds what --cli-input-json says and no option said before it.
func (c *Command) input(call *Object, values map[string]string, files Files) error {
	if _, ok := values[optInputYAML]; ok {
		if _, ok := values[optInputJSON]; ok {
			return invalid("Only one --cli-input- parameter may be specified.")
		}
		return invalid("--%s is not supported: use --%s", optInputYAML, optInputJSON)
	}
	text, ok := values[optInputJSON]
	if !ok {
		return nil
	}
	document, err := ParseInput(text, files)
	if err != nil {
		return err
	}
	for _, key := range document.Keys() {
		if _, ok := call.Get(key); !ok {
			v, _ := document.Get(key)
			call.Set(key, v)
		}
	}
	return nil
}

// ParseInput reads a value of --cli-input-json: a JSON object, or a file that
// holds one.
func ParseInput(text string, files Files) (*Object, error) {
	loaded, err := files.load(text)
	if err != nil {
		return nil, badParameter("--"+optInputJSON, err.Error())
	}
	if data, ok := loaded.(Bytes); ok {
		loaded = strings.TrimPrefix(string(data), "\ufeff") // json.loads guesses the encoding of bytes
	}
	v, err := decodeJSON(loaded.(string), false)
	if err == errTooDeep {
		return nil, err
	}
	if err != nil {
		return nil, badParameter(optInputJSON, "Invalid JSON received.")
	}
	document, ok := v.(*Object)
	if !ok {
		return nil, badParameter("--"+optInputJSON, "Invalid type: expecting map, received "+typeName(v))
	}
	return document, nil
}

// ParseParameters reads a value of --parameters: shorthand, JSON, or a file
// that holds either.
func ParseParameters(text string, files Files) (*Object, error) {
	loaded, err := files.load(text)
	if err != nil {
		return nil, badParameter("--parameters", err.Error())
	}
	return parseParameters(loaded, files)
}

func parseParameters(loaded any, files Files) (*Object, error) {
	text, ok := loaded.(string)
	if !ok { // the CLI fails here with Python's words, which help nobody
		return nil, &Error{Exit: ExitGeneral, Message: "--parameters takes text: use file:// and not fileb://"}
	}
	trimmed := strings.TrimLeftFunc(text, isSpace)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		o, err := ParseShorthand(text, files)
		if mistake, ok := err.(*shorthandError); ok {
			return nil, badParameter("--parameters", mistake.Error())
		}
		return o, err
	}
	if trimmed[0] == '[' {
		return nil, badParameter("--parameters", "Invalid JSON:\n"+text)
	}
	v, err := decodeJSON(text, true)
	if err == errTooDeep {
		return nil, err
	}
	if err != nil {
		return nil, badParameter("--parameters", "Invalid JSON: "+err.Error()+"\nJSON received: "+text)
	}
	return v.(*Object), nil // text begins with {
}
