package channel

import (
	"encoding/json"
	"strconv"
	"sync/atomic"
	"time"
)

// lingerTimeout is how long a client may take to leave after channel_closed.
// Closing at once could destroy it on its way: a TCP connection that is closed
// with unread bytes resets.
const lingerTimeout = 2 * time.Second

// Close ends the session as an agent does: it waits at most CloseWait for
// acknowledgements, then the service tells the client channel_closed with the
// given text. What was not acknowledged by then is lost. It returns when the
// connection has ended; a client that attaches later is told channel_closed at
// once. Only the first of Close and Terminate decides the text.
func (a *Agent) Close(output string) error { return a.end(output, false) }

// Terminate ends the session as TerminateSession does: channel_closed at once.
func (a *Agent) Terminate(output string) error { return a.end(output, true) }

func (a *Agent) end(output string, hurry bool) error {
	a.mu.Lock()
	first := !a.ending
	if first {
		a.ending, a.lastWords = true, output
		close(a.done)
		a.cancel()
	}
	a.mu.Unlock()
	if hurry {
		a.hurry.Store(true)
		a.stream.wake()
	}
	a.waitForAcks()

	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	announce := a.closed == nil
	if announce {
		a.closed = channelClosed(a.cfg.SessionID, a.lastWords)
	}
	closed, t, left := a.closed, a.transport, a.left
	a.mu.Unlock()
	if t != nil {
		if announce {
			a.stream.write(t, closed)
		}
		await(left, lingerTimeout)
		t.Close()
		await(left, lingerTimeout) // an Input that blocks keeps Attach, not us
	}
	a.stream.end(ErrClosed)
	return nil
}

// await waits for the channel to be closed, but not for ever.
func await(closed <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// waitForAcks waits as long as an agent does before it lets go.
func (a *Agent) waitForAcks() {
	var over atomic.Bool
	timer := time.AfterFunc(a.cfg.CloseWait, func() {
		over.Store(true)
		a.stream.wake()
	})
	defer timer.Stop()
	a.stream.drained(func() bool { return over.Load() || a.hurry.Load() })
}

// serviceMessage is a message of the service's own.
func serviceMessage(kind string, payload []byte) []byte {
	return AppendMessage(nil, &Message{
		Type:          kind,
		SchemaVersion: 1,
		CreatedDate:   uint64(time.Now().UnixMilli()),
		Flags:         FlagSYN | FlagFIN,
		ID:            newUUID(),
		Payload:       payload,
	})
}

func channelClosed(sessionID, output string) []byte {
	payload, err := json.Marshal(ChannelClosed{
		CreatedDate:   strconv.FormatInt(time.Now().UnixMilli(), 10),
		MessageID:     newUUID().String(),
		MessageType:   TypeChannelClosed,
		Output:        output,
		SchemaVersion: 1,
		SessionID:     sessionID,
	})
	if err != nil {
		panic(err) // strings and a number
	}
	return serviceMessage(TypeChannelClosed, payload)
}
