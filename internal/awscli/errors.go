package awscli

import (
	"fmt"
	"strings"
)

// Exit codes of AWS CLI v2.
const (
	ExitUsage         = 252 // the command line or a parameter is wrong
	ExitConfiguration = 253 // no region, no credentials, a bad profile
	ExitService       = 254 // the service answered with an error
	ExitGeneral       = 255 // everything else
)

// operation is the call that everything here is about.
const operation = "StartSession"

// usage is how every mistake in the options ends.
const usage = "usage: aws [options] <command> <subcommand> [<subcommand> ...] [parameters]\n" +
	"To see help text, you can run:\n\n  aws help\n  aws <command> help\n  aws <command> <subcommand> help\n"

// firstUsage ends the mistakes that the CLI finds when it looks for --profile
// and --debug before all else.
const firstUsage = "usage: aws [--profile PROFILE] [--debug]\n"

// An Error is a mistake of the user or an answer of the service, with the exit
// code and the words that AWS CLI v2 has for it.
type Error struct {
	Exit    int
	Code    string // ParamValidation, NoRegion, the service's code; "" for what the CLI does not classify
	Message string

	operation string // the service's answer to which call
	retries   string
	unknown   bool // an unknown option: the usage comes first
}

// Error returns what the CLI says after "aws: [ERROR]: ".
func (e *Error) Error() string {
	switch {
	case e.operation != "":
		return fmt.Sprintf("An error occurred (%s) when calling the %s operation%s: %s", e.Code, e.operation, e.retries, e.Message)
	case e.Code != "":
		return fmt.Sprintf("An error occurred (%s): %s", e.Code, strings.TrimFunc(e.Message, isSpace))
	}
	return e.Message
}

// Report is what the CLI writes to stderr, in a format of --cli-error-format;
// "" is "enhanced". The text begins with the name of the program.
func (e *Error) Report(program, format string, width int) string {
	line := func(text string) string {
		return "\n" + strings.TrimRight(program+": [ERROR]: "+strings.TrimFunc(text, isSpace), " ") + "\n"
	}
	if e.unknown {
		return "\n" + usage + "\n" + line(e.Message)
	}
	if e.Code == "" {
		return line(e.Message)
	}
	switch format {
	case "json", "yaml", "text", "table":
		o := Output{Format: format, Color: "off", Width: width}
		if text, err := o.Text("error", NewObject("Code", e.Code, "Message", e.Message)); err == nil {
			return text
		}
	case "legacy":
		if e.operation == "" {
			return line(e.Message)
		}
	}
	return line(e.Error())
}

// NoRegion is the complaint that no region is known.
func NoRegion() *Error {
	return &Error{Exit: ExitConfiguration, Code: "NoRegion",
		Message: `You must specify a region. You can also configure your region by running "aws configure".`}
}

// NoCredentials is the complaint that no credentials are found.
func NoCredentials() *Error {
	return &Error{Exit: ExitConfiguration, Code: "NoCredentials",
		Message: `Unable to locate credentials. You can configure credentials by running "aws login".`}
}

// HalfCredentials is the complaint that the environment has an access key and
// no secret for it: the CLI asks no other source then.
func HalfCredentials() *Error {
	return &Error{Exit: ExitGeneral, Message: "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY"}
}

// ServiceError is the service's answer to StartSession. Retries counts the
// tries after the first when they were used up, else it is 0.
func ServiceError(code, message string, retries int) *Error {
	e := &Error{Exit: ExitService, Code: code, Message: message, operation: operation}
	if retries > 0 {
		e.retries = fmt.Sprintf(" (reached max retries: %d)", retries)
	}
	return e
}

// errTooDeep stands for Python's RecursionError.
var errTooDeep = &Error{Exit: ExitGeneral, Message: "maximum recursion depth exceeded: the value is nested too deep"}

func invalid(format string, args ...any) *Error {
	return &Error{Exit: ExitUsage, Code: "ParamValidation", Message: fmt.Sprintf(format, args...)}
}

// badParameter is a mistake in the value of an option.
func badParameter(option, reason string) *Error {
	return invalid("Error parsing parameter '%s': %s", option, reason)
}

// badArguments is a mistake in the options, which ends in the usage.
func badArguments(reason, usage string) *Error {
	return invalid("%s\n\n%s", reason, usage)
}
