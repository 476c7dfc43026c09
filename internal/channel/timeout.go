package channel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Layer is something that a session waits for, each with a deadline of its own,
// in the words that its TimeoutError uses.
type Layer string

// The layers, from the outside in. Which field of Config or WebsocketOptions
// sets the deadline of each, and its default, is said there.
const (
	LayerResume     Layer = "an answer to ResumeSession"
	LayerConnect    Layer = "a TCP connection"
	LayerTLS        Layer = "the TLS handshake"
	LayerUpgrade    Layer = "the answer to the websocket request"
	LayerOpen       Layer = "open_data_channel to be sent"
	LayerStart      Layer = "the first message"
	LayerAgent      Layer = "the agent's first message"
	LayerKey        Layer = "a data key of KMS"
	LayerChallenge  Layer = "the agent's encryption challenge"
	LayerHandshake  Layer = "the end of the handshake"
	LayerPong       Layer = "an answer to a ping"
	LayerFrame      Layer = "the rest of a message"
	LayerWrite      Layer = "the network to take a message"
	LayerIdle       Layer = "any message"
	LayerDrain      Layer = "the end of the session after its exit code"
	LayerGap        Layer = "missing messages after the end of the session"
	LayerConnection Layer = "a new connection"
)

// advice is what to look at when a layer takes too long.
var advice = map[Layer]string{
	LayerResume:     "check the network and the SSM endpoint",
	LayerConnect:    "check the route, the firewall and the proxy",
	LayerTLS:        "something took the connection and says nothing: check the proxy and the firewall",
	LayerUpgrade:    "something took the connection and says nothing: check the proxy and the endpoint",
	LayerOpen:       "check the network",
	LayerStart:      "the service took the connection and says nothing: start the session again",
	LayerAgent:      "look at the agent's log on the target",
	LayerKey:        "check the network and the KMS endpoint",
	LayerChallenge:  "check that the target's role allows kms:Decrypt with the session's key",
	LayerHandshake:  "look at the agent's log on the target",
	LayerPong:       "the connection is dead: check the network",
	LayerFrame:      "check the network",
	LayerWrite:      "the connection is dead or too slow: check the network",
	LayerIdle:       "look at the target: the agent may be gone",
	LayerConnection: "the remote command may still run: look at the target",
}

// TimeoutError says what a session waited for, and for how long.
type TimeoutError struct {
	Layer Layer
	Peer  string // the host and port, or the session
	After time.Duration
	Err   error // the last that went wrong meanwhile, or nil
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("timed out after %s waiting for %s", readable(e.After), e.Layer)
	if e.Peer != "" {
		text += " (" + e.Peer + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if hint := advice[e.Layer]; hint != "" {
		text += ": " + hint
	}
	return text
}

func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout reports true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// readable rounds what was measured to what a person reads.
func readable(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// late returns the layer's TimeoutError when err came because the deadline of
// ctx passed and says so no better itself; otherwise err.
func late(ctx context.Context, err error, layer Layer, peer string, began time.Time) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, new(*TimeoutError)) {
		return err
	}
	return &TimeoutError{Layer: layer, Peer: peer, After: time.Since(began)}
}
