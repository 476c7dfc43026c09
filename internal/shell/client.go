package shell

import (
	"context"
	"errors"
	"io"
)

// Options of a Client; the zero value is right for an unknown target.
type Options struct {
	// Servers are the step servers to choose from, the first that the target
	// can run; nil is perl, python3, sh.
	Servers []string
}

// Info is what the step server said of the target when it started.
type Info struct {
	Server string   // perl, python3 or sh
	Shell  string   // the shell that the session gave, "" when it could not be told
	Tools  []string // of base64, gzip, setsid and the like, those that it has
	PID    int      // of the step server
}

// Client runs steps over one remote shell session.
type Client struct{}

// New returns a client that types into in, the session's input.
func New(in io.Writer, opts Options) *Client { return &Client{} }

// Write takes the session's output.
func (c *Client) Write(p []byte) (int, error) { return len(p), nil }

// Boot starts the step server.
func (c *Client) Boot(ctx context.Context) (Info, error) {
	return Info{}, &BootError{Err: errors.ErrUnsupported}
}

// Run runs one step.
func (c *Client) Run(ctx context.Context, step Step, stdout, stderr io.Writer) (Result, error) {
	return Result{}, &RefusedError{Err: errors.ErrUnsupported}
}

// Lost says that the session has ended.
func (c *Client) Lost(err error) {}

// Quit ends the step server and the shell of the session.
func (c *Client) Quit() error { return nil }

// Screen returns the last text that was not the step server's.
func (c *Client) Screen() string { return "" }
