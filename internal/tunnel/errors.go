package tunnel

import (
	"errors"
	"fmt"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// RefusedError says that the agent could not connect to the port behind the
// tunnel for one connection. The tunnel goes on.
type RefusedError struct {
	Host string // empty: the target itself
	Port string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the target could not connect to %s: is something listening there?", destination(e.Host, e.Port))
}

// destination is what a tunnel leads to, for people; the words come from
// outside.
func destination(host, port string) string {
	if host == "" {
		return fmt.Sprintf("its port %q", port)
	}
	return fmt.Sprintf("port %q of %q", port, host)
}

// EndedError says that the session ended although nobody here asked for it:
// its idle or total time was over, somebody terminated it, or the server behind
// the port closed a session of one plain stream.
type EndedError struct {
	Output string // the service's text, from outside; often empty
	// Silent says that not one byte came from the target. For one plain stream
	// that mostly means that nothing listens on the port: the agent says
	// nothing else.
	Silent     bool
	Host, Port string // of the target's end; Host is empty for the target itself
}

func (e *EndedError) Error() string {
	text := "the session was ended by the service"
	if e.Silent {
		text = fmt.Sprintf("the session ended before a byte came from the target: is something listening on %s?", destination(e.Host, e.Port))
	}
	if e.Output != "" {
		text += fmt.Sprintf(" (it says %q)", e.Output)
	}
	return text
}

// ended makes of a session's result what a tunnel says of its end: an
// *EndedError for one that is whole, the reason for one that broke.
func ended(result error, p channel.PortProperties) error {
	var missing *channel.ExitMissingError
	switch {
	case errors.As(result, &missing) && missing.Gap:
		return fmt.Errorf("the session broke: messages %d to %d are missing", missing.MissingFrom, missing.MissingTo)
	case missing != nil && missing.Cause != nil:
		return fmt.Errorf("the session broke: %w", missing.Cause)
	case missing != nil:
		return &EndedError{Output: missing.Output, Host: p.Host, Port: p.PortNumber}
	}
	return &EndedError{Host: p.Host, Port: p.PortNumber}
}
