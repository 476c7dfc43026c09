package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// requestHandshake queues the request as the first message.
func (a *Agent) requestHandshake() {
	properties := a.cfg.Properties
	if properties == nil {
		properties = json.RawMessage("null")
	}
	parameters, err := json.Marshal(SessionTypeParameters{SessionType: a.cfg.SessionType, Properties: properties})
	if err == nil {
		parameters, err = json.Marshal(HandshakeRequest{
			AgentVersion:           a.cfg.AgentVersion,
			RequestedClientActions: []RequestedAction{{ActionSessionType, parameters}},
		})
	}
	if err == nil {
		err = a.stream.sendNow(PayloadHandshakeRequest, parameters)
	}
	if err != nil {
		a.handshakeFailed("request handshake: " + err.Error())
	}
}

// handshakeResponse completes the handshake, or ends the session when the
// client could not do what was asked.
func (a *Agent) handshakeResponse(payload []byte) error {
	response, err := ParseHandshakeResponse(payload)
	if err != nil {
		return err
	}
	if len(response.ProcessedClientActions) == 0 {
		a.handshakeFailed("client processed no action")
		return nil
	}
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != ActionSuccess {
			// The agent's own words. (V g0-kms-client-action-failed)
			a.handshakeFailed(fmt.Sprintf("%s failed on client with status %d error: %s",
				action.ActionType, action.ActionStatus, action.Error))
			return nil
		}
	}
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.complete = true
	complete := HandshakeComplete{
		HandshakeTimeToComplete: time.Since(a.started),
		CustomerMessage:         a.cfg.CustomerMessage,
	}
	a.mu.Unlock()
	text, err := json.Marshal(complete)
	if err == nil {
		err = a.stream.sendNow(PayloadHandshakeComplete, text)
	}
	if err != nil {
		return fmt.Errorf("complete handshake: %w", err)
	}
	a.stream.release(true)
	close(a.ready)
	return nil
}

func (a *Agent) handshakeTimedOut() {
	a.mu.Lock()
	late := a.complete
	a.mu.Unlock()
	if !late {
		a.handshakeFailed("Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
	}
}

// handshakeFailed ends the session with the reason. It is called from the
// receiving goroutine, for which end would wait, so that part goes on alone;
// it ends at the latest with lingerTimeout.
func (a *Agent) handshakeFailed(reason string) {
	a.mu.Lock()
	if a.err == nil {
		a.err = errors.New(reason)
	}
	a.mu.Unlock()
	go a.end(reason, true)
}
